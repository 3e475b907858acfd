"""Learning to mend Preview Motion's frames: the warp of a drawn person's photo, against the person drawn in that pose.

Loss: L1, and L1 of the differences between neighbours at three scales in the place of the paper's LPIPS, which would
need somebody else's weights. No adversary. Squares beside it, not the paper's: most of a warped frame is right, where
L1 alone rewards changing nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from ..colours import as_colours, as_pictures
from ..errors import InputError
from ..evaluation.frames import psnr
from ..preview import preview_motion
from ..preview.refinement import edge_pyramid
from ..preview.refinement_network import NUM_SIZES, STEP_PX, Refinement, RefinementConfig
from .clip_pictures import drawn_pictures
from .clips import ClipSet, write_atomically, write_network
from .loop import Learner, Progress
from .mmhaa_samples import write_sheet
from .optimisers import ExponentialAverage, adamw, set_rate
from .run import Run, step_generator
from .team import ALONE, Team

logger = logging.getLogger("mmgt")

FILE = "refinement.safetensors"
PAIRS = "pairs.safetensors"
SCALES = (1, 2, 4)  # px: of the differences in the loss
HELD_OUT_PEOPLE, SAMPLES = 8, 6
STILL_SHARE = 0.02  # of a crop's chance: what the warp got right is seen too


@dataclass(frozen=True)
class RefinementTraining:
    """Settings of a run. num_people: drawn anew, each with a clip's poses and ``frames_each`` of its frames.

    crop_px: side of the ``batch`` crops of a step, whose middles are drawn where the warp errs most. gradient_weight:
    of the differences between neighbours in the loss; square_weight: of the mean square.
    """

    seed: int = 0
    num_steps: int = 8000
    num_people: int = 200
    frames_each: int = 6
    crop_px: int = 64
    batch: int = 4
    learning_rate: float = 2e-3
    warm_up: int = 50
    cool_down: int = 2000
    average_decay: float = 0.99
    gradient_weight: float = 1.0
    square_weight: float = 5.0
    network: RefinementConfig = field(default_factory=RefinementConfig)

    def __post_init__(self) -> None:
        counts = {
            "steps": self.num_steps, "people": self.num_people, "frames each": self.frames_each, "batch": self.batch,
        }  # fmt: skip
        if min(counts.values()) < 1:
            given = ", ".join(f"{name} {number}" for name, number in counts.items())
            raise InputError(f"a run's numbers must be 1 or more, but are: {given}.")
        if self.crop_px % STEP_PX or not STEP_PX <= self.crop_px <= self.network.side_px:
            raise InputError(
                f"crops of {self.crop_px} px cannot be learned; they must be a multiple of {STEP_PX} and at most the "
                f"pictures' {self.network.side_px}."
            )


def drawn_pairs(
    clips: ClipSet, split: str, num_people: int, frames_each: int, side_px: int, seed: int
) -> dict[str, Tensor]:
    """What is learned from, of a split's clips with a person of its own each; the photo is the clip's first frame.

    Of N pairs and P people ``warped`` and ``truths`` [N, S, S, 3], ``photos`` [P, S, S, 3], ``edges_0`` .. ``edges_3``
    [N, s, s], all uint8; ``person`` [N]. Raises InputError for a split without clips.
    """
    entries, rng = clips.drawn_split(split), np.random.default_rng([seed, len(split)])
    found: dict[str, list[np.ndarray]] = {}

    def add(name: str, value: np.ndarray) -> None:
        found.setdefault(name, []).append(value)

    for idx in range(num_people):
        entry, person = entries[idx % len(entries)], int(rng.integers(2**31))
        frames = rng.integers(entry.num_frames, size=frames_each).tolist()
        photo, *truths = drawn_pictures(clips, entry, [0, *frames], side_px, person)
        poses = clips.poses(entry).sized(side_px, side_px)
        shown = poses.at(frames)
        add("photos", photo[None])
        add("truths", np.stack(truths))
        add("warped", np.stack(list(preview_motion(photo, poses.frames(0, 1), shown))))
        add("person", np.full(frames_each, idx))
        for level, maps in enumerate(edge_pyramid(shown, side_px, side_px)):
            add(f"edges_{level}", (maps.numpy() * 255).round().astype(np.uint8))
    return {name: torch.from_numpy(np.concatenate(parts)) for name, parts in found.items()}


@dataclass(frozen=True)
class Pairs:
    """``drawn_pairs``, as a network takes them."""

    drawn: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.drawn["person"])

    def take(self, indices: list[int], cells: list[tuple[int, int]], num_cells: int) -> tuple[Tensor, ...]:
        """Warped, photo, truth [B, 3, c, c] in -1..1, then the edge maps [B, 1, c, c] and smaller, in 0..1.

        cells: of each crop, the first row and column in units of STEP_PX; it is ``num_cells`` of them wide.
        """
        people = self.drawn["person"][indices].tolist()
        pictures = {"warped": indices, "photos": people, "truths": indices}
        colours = [
            as_colours(
                torch.stack([_crop(self.drawn[name][i], cell, num_cells) for i, cell in zip(of, cells, strict=True)])
            )
            for name, of in pictures.items()
        ]
        edges = []
        for level in range(NUM_SIZES):
            maps, step = self.drawn[f"edges_{level}"], STEP_PX >> level
            crops = [_crop(maps[idx], cell, num_cells, step) for idx, cell in zip(indices, cells, strict=True)]
            edges.append(torch.stack(crops)[:, None].float() / 255)
        return (*colours, *edges)

    def whole(self, idx: int) -> tuple[Tensor, ...]:
        """``take`` of one pair, not cropped."""
        return self.take([idx], [(0, 0)], self.drawn["warped"].shape[1] // STEP_PX)

    def cell(self, idx: int, num_cells: int, generator: torch.Generator) -> tuple[int, int]:
        """Where a crop begins whose middle is drawn in proportion to the warp's error."""
        error = (self.drawn["warped"][idx].float() - self.drawn["truths"][idx].float()).abs().mean(dim=-1)
        by_cell = F.avg_pool2d(error[None], STEP_PX)[0]
        chances = by_cell / by_cell.sum().clamp(min=1e-6) + STILL_SHARE / by_cell.numel()
        middle = int(torch.multinomial(chances.flatten(), 1, generator=generator))
        last = len(by_cell) - num_cells
        row, column = (min(max(place - num_cells // 2, 0), last) for place in divmod(middle, by_cell.shape[1]))
        return row, column


def _crop(plane: Tensor, cell: tuple[int, int], num_cells: int, step: int = STEP_PX) -> Tensor:
    """Of [S, S, ...], a square of num_cells x step px."""
    row, column = (place * step for place in cell)
    return plane[row : row + num_cells * step, column : column + num_cells * step]


def kept_pairs(clips: ClipSet, out: Path, settings: RefinementTraining) -> tuple[Pairs, Pairs]:
    """``drawn_pairs`` to learn from and held out, drawn when a run begins and kept beside it."""
    path = out / PAIRS
    if not path.is_file():
        logger.info("refinement: drawing %d people, %d frames each", settings.num_people, settings.frames_each)
        numbers = {"train": settings.num_people, "test": min(HELD_OUT_PEOPLE, settings.num_people)}
        drawn = {
            f"{split}.{name}": tensor
            for split, num_people in numbers.items()
            for name, tensor in drawn_pairs(
                clips, split, num_people, settings.frames_each, settings.network.side_px, settings.seed
            ).items()
        }
        write_atomically(path, drawn, {})
    kept = load_file(path)
    learned, held_out = (
        Pairs({name.removeprefix(split): tensor for name, tensor in kept.items() if name.startswith(split)})
        for split in ("train.", "test.")
    )
    return learned, held_out


def refinement_loss(made: Tensor, truth: Tensor, gradient_weight: float, square_weight: float) -> Tensor:
    """Mean absolute error of pictures [B, 3, h, w], their mean square, and the mean absolute error of their differences
    between neighbours at SCALES, averaged."""
    error = made - truth
    loss = error.abs().mean() + square_weight * error.square().mean()
    for scale in SCALES:
        at_scale = F.avg_pool2d(error, scale)
        edges = at_scale.diff(dim=-1).abs().mean() + at_scale.diff(dim=-2).abs().mean()
        loss = loss + gradient_weight / len(SCALES) * edges
    return loss


@torch.no_grad()
def mended(network: Refinement, pairs: Pairs, idx: int, device: torch.device) -> np.ndarray:
    """A pair's warped frame, mended: [S, S, 3] uint8."""
    warped, photo, _, *edges = (tensor.to(device) for tensor in pairs.whole(idx))
    return as_pictures(warped + network(warped, photo, edges))[0].numpy()


def mean_psnr(network: Refinement, pairs: Pairs, device: torch.device) -> float:
    """Of mended frames against the truths, in dB."""
    found = []
    for idx in range(len(pairs)):
        error = mended(network, pairs, idx, device).astype(np.float32) - pairs.drawn["truths"][idx].numpy()
        found.append(psnr(float(np.square(error).mean())))
    return sum(found) / len(found)


def train_refinement(
    clips: ClipSet,
    out: Path,
    settings: RefinementTraining,
    *,
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> Refinement:
    """Learn until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``refinement.safetensors`` in it is the newest average of the weights.
    """
    run = Run(out)
    run.begin({"task": "refine", "data": clips.digest(), **asdict(settings)})
    learned, held_out = kept_pairs(clips, out, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = Refinement(settings.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(team.device)
    optimiser = adamw(network.parameters(), settings.learning_rate, 0.0)
    average = ExponentialAverage(network, settings.average_decay)
    num_cells = settings.crop_px // STEP_PX

    def backward(step: int) -> float:
        generator = step_generator(settings.seed, step)
        indices = torch.randint(len(learned), (settings.batch,), generator=generator).tolist()
        cells = [learned.cell(idx, num_cells, generator) for idx in indices]
        warped, photo, truth, *edges = (tensor.to(team.device) for tensor in learned.take(indices, cells, num_cells))
        loss = refinement_loss(
            warped + network(warped, photo, edges), truth, settings.gradient_weight, settings.square_weight
        )
        loss.backward()
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up, settings.cool_down)
        return loss.item()

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        with average.standing_in(network):
            rows[-1]["held_out_psnr_db"] = round(mean_psnr(network, held_out, team.device), 3)
            write_network(out / FILE, network, step, clips.digest(), settings.network)
        return {}

    def samples(step: int) -> None:
        with average.standing_in(network):
            write_samples(out / "samples" / f"step_{step:06d}.png", network, held_out, team.device)

    Learner(
        run,
        network,
        optimiser,
        checkpoint,
        average,
        samples,
        team,
        max_norm=1.0,
        save_every=save_every,
        sample_every=sample_every,
        board=board,
    ).learn(settings.num_steps, backward, progress)
    return network


def write_samples(path: Path, network: Refinement, pairs: Pairs, device: torch.device) -> None:
    """Held-out frames in rows: drawn, warped, mended."""
    chosen = range(0, len(pairs), max(1, len(pairs) // SAMPLES))
    rows = [[pairs.drawn[name][idx].numpy() for idx in chosen] for name in ("truths", "warped")]
    write_sheet(path, [*rows, [mended(network, pairs, idx, device) for idx in chosen]])
