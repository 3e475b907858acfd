"""Learning the auto-encoder that FGD looks through, from the poses of a set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..evaluation.pose_autoencoder import CLIP_FRAMES, FILE, NUM_NUMBERS, PoseAutoencoder, pose_clips
from .clips import ClipSet, write_network
from .loop import Learner, Progress
from .optimisers import adamw
from .run import Run, learning, step_generator
from .team import ALONE, Team

LEAST_SCALE = 0.01  # shoulder widths: a point that hardly moves is not blown up
STRIDE = 10  # frames between windows


@dataclass(frozen=True)
class FGDTraining:
    """Settings of a run. motion_weight: of the differences between frames in the loss."""

    seed: int = 0
    num_steps: int = 3000
    batch: int = 64
    learning_rate: float = 1e-3
    motion_weight: float = 1.0

    def __post_init__(self) -> None:
        if min(self.num_steps, self.batch) < 1:
            raise InputError(f"steps and batch must be 1 or more, but are {self.num_steps} and {self.batch}.")


def windows_of(clips: ClipSet, split: str) -> Tensor:
    """[N, 80, D] of all clips of a split."""
    return torch.cat(
        [torch.empty(0, CLIP_FRAMES, NUM_NUMBERS)]
        + [pose_clips(clips.poses(entry), STRIDE) for entry in clips.of_split(split)]
    )


def reconstruction_loss(made: Tensor, truth: Tensor, motion_weight: float) -> Tensor:
    """Mean absolute error of clips [N, 80, D], and of the differences between their frames."""
    error = made - truth
    return error.abs().mean() + motion_weight * error.diff(dim=1).abs().mean()


def train_fgd(
    clips: ClipSet,
    out: Path,
    settings: FGDTraining,
    *,
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> PoseAutoencoder:
    """Learn until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``fgd.safetensors`` in it is what FGD is measured with. Raises InputError where no training
    clip lasts 80 frames.
    """
    windows, held_out = windows_of(clips, "train"), windows_of(clips, "test")
    if not len(windows):
        raise InputError(f"no training clip of {clips.folder} lasts {CLIP_FRAMES} frames; take a set with longer ones.")
    run = Run(out)
    run.begin({"task": "fgd", "data": clips.digest(), **asdict(settings)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = PoseAutoencoder()
    network.mean.copy_(windows.mean(dim=(0, 1)))
    network.scale.copy_(windows.std(dim=(0, 1)).clamp(min=LEAST_SCALE))
    network.to(team.device)
    optimiser = adamw(list(learning(network).values()), settings.learning_rate, 0.0)

    def loss_of(truth: Tensor) -> Tensor:
        truth = truth.to(team.device)
        scale = network.scale
        return reconstruction_loss(network(truth) / scale, truth / scale, settings.motion_weight)

    def backward(step: int) -> float:
        chosen = torch.randint(len(windows), (settings.batch,), generator=step_generator(settings.seed, step))
        loss = loss_of(windows[chosen])
        loss.backward()
        return loss.item()

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        if len(held_out):
            with torch.no_grad():
                rows[-1]["held_out_loss"] = round(loss_of(held_out).item(), 5)
        write_network(out / FILE, network, step, clips.digest())
        return {}

    Learner(
        run,
        network,
        optimiser,
        checkpoint,
        team=team,
        max_norm=1.0,
        save_every=save_every,
        sample_every=sample_every,
        board=board,
    ).learn(settings.num_steps, backward, progress)
    return network
