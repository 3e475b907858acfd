"""Learning a tiny auto-encoder in TAESD's layout from a set's pictures: crops in, crops out, with noise on latents.

The noise makes neighbours of a latent decode to nearly the same picture: what a denoising network gives is not exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..colours import as_colours, as_pictures
from ..errors import InputError
from ..evaluation.frames import psnr
from ..mmhaa.pictures import LATENT_PX
from ..poses.motion_mask import face_box, hand_boxes, lip_box
from ..standalone.tiny_vae import build_tiny_vae, taesd_layout
from ..standalone.vae import LATENT_SCALE, load_vae
from ..weights.files import sha256_of
from .clip_pictures import drawn_pictures
from .clips import ClipSet, write_atomically
from .loop import Learner, Progress
from .mmhaa_samples import write_sheet
from .optimisers import ExponentialAverage, adamw, set_rate
from .run import Run, learning, step_generator
from .team import ALONE, Team

WEIGHTS = "vae.safetensors"
PICTURES = "pictures.safetensors"
REGIONS = ("face", "hand", "hand", "lips")  # of a picture's boxes; a crop is taken of each of the first three
CROPS_OF_A_PICTURE = 4  # these, and one anywhere
HELD_OUT_PICTURES, SAMPLES = 32, 6


@dataclass(frozen=True)
class TinyVAETraining:
    """Settings of a run. batch: pictures of a step, each of which gives CROPS_OF_A_PICTURE crops of ``crop_px``.

    noise: on the latents, whose deviation is held near 1 by ``spread_weight``. edge_weight: of the differences between
    neighbouring pixels in the loss. face_weight, hand_weight, lip_weight: of the pixels there, beside 1 elsewhere.
    only_decoder: the encoder stays as it is, so that what was learned on its latents stays good.
    """

    seed: int = 0
    num_steps: int = 3000
    num_pictures: int = 1200
    side_px: int = 256
    crop_px: int = 64
    batch: int = 4
    encoder_width: int = 32
    decoder_width: int = 48
    learning_rate: float = 1e-3
    warm_up: int = 100
    average_decay: float = 0.995
    noise: float = 0.05
    edge_weight: float = 1.0
    face_weight: float = 4.0
    hand_weight: float = 4.0
    lip_weight: float = 12.0
    spread_weight: float = 0.01
    autocast: bool = False
    only_decoder: bool = False

    def __post_init__(self) -> None:
        if min(self.num_steps, self.num_pictures, self.batch) < 1:
            raise InputError(
                f"steps, pictures and batch must be 1 or more, but are {self.num_steps}, {self.num_pictures} and "
                f"{self.batch}."
            )
        if self.crop_px % LATENT_PX or not LATENT_PX <= self.crop_px <= self.side_px:
            raise InputError(
                f"crops of {self.crop_px} px cannot be learned; they must be a multiple of {LATENT_PX} and at most "
                f"the pictures' {self.side_px}."
            )


@dataclass
class Crops:
    """The crops of each step, which depend on the seed and the step only; the next step's are made ahead.

    pictures [N, H, W, 3] uint8, boxes [N, 4, 4] int (x0, y0, x1, y1): of REGIONS.
    """

    pictures: Tensor
    boxes: Tensor
    settings: TinyVAETraining
    _coming: dict[int, Future[tuple[Tensor, Tensor]]] = field(default_factory=dict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mmgt-crops"))

    def take(self, step: int) -> tuple[Tensor, Tensor]:
        """Crops [B, 3, crop, crop] float32 in -1..1, channels last, and their pixels' weights [B, 1, crop, crop]."""
        for wanted in (step, step + 1):
            if wanted not in self._coming:
                self._coming[wanted] = self._thread.submit(self.make, wanted)
        return self._coming.pop(step).result()

    def make(self, step: int) -> tuple[Tensor, Tensor]:
        generator, side = step_generator(self.settings.seed, step), self.settings.crop_px
        crops, weights = [], []
        for idx in torch.randint(len(self.pictures), (self.settings.batch,), generator=generator).tolist():
            picture, last = self.pictures[idx], self.settings.side_px - side
            anywhere = (torch.rand(2, generator=generator) * (last + 1)).long().tolist()
            corners = [anywhere]
            for x0, y0, x1, y1 in self.boxes[idx, :-1].tolist():
                shift = ((torch.rand(2, generator=generator) - 0.5) * side / 2).long().tolist()
                centre = ((x0 + x1) // 2, (y0 + y1) // 2)
                corners.append([min(max(c + s - side // 2, 0), last) for c, s in zip(centre, shift, strict=True)])
            weight = self._weights(idx)
            crops += [picture[y : y + side, x : x + side] for x, y in corners]
            weights += [weight[None, y : y + side, x : x + side] for x, y in corners]
        return as_input(torch.stack(crops)), torch.stack(weights)

    def _weights(self, idx: int) -> Tensor:
        """Of a picture's pixels [H, W]."""
        weight, settings = torch.ones(self.pictures.shape[1:3]), self.settings
        of_region = {"face": settings.face_weight, "hand": settings.hand_weight, "lips": settings.lip_weight}
        for region, (x0, y0, x1, y1) in zip(REGIONS, self.boxes[idx].tolist(), strict=True):
            weight[y0:y1, x0:x1] = of_region[region]
        return weight


def as_input(pictures: Tensor) -> Tensor:
    """[B, H, W, 3] uint8 -> [B, 3, H, W] float32 in -1..1, channels last."""
    return as_colours(pictures).contiguous(memory_format=torch.channels_last)


def drawn_set(clips: ClipSet, split: str, number: int, side_px: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures [N, H, W, 3] uint8 of random frames of a split's clips, each of another person, and ``Crops.boxes``."""
    entries, rng = clips.drawn_split(split), np.random.default_rng([seed, len(split)])
    pictures, boxes = [], []
    for idx in range(number):
        entry = entries[idx % len(entries)]
        frame, person = int(rng.integers(entry.num_frames)), int(rng.integers(2**31))
        pictures.append(drawn_pictures(clips, entry, [frame], side_px, person)[0])
        pose = clips.poses(entry, slice(frame, frame + 1)).sized(side_px, side_px)
        given = pose.pixels[0].numpy(), pose.score[0].numpy(), side_px, side_px
        nowhere = (0, 0, 0, 0)
        boxes.append([box or nowhere for box in (face_box(*given), *hand_boxes(*given), lip_box(*given))])
    return torch.from_numpy(np.stack(pictures)), torch.tensor(boxes)


def kept_pictures(clips: ClipSet, out: Path, settings: TinyVAETraining) -> dict[str, Tensor]:
    """``drawn_set`` of both splits, drawn when a run begins and kept beside it."""
    path = out / PICTURES
    if not path.is_file():
        pictures, boxes = drawn_set(clips, "train", settings.num_pictures, settings.side_px, settings.seed)
        held_out, _ = drawn_set(clips, "test", HELD_OUT_PICTURES, settings.side_px, settings.seed)
        write_atomically(path, {"pictures": pictures, "boxes": boxes, "held_out": held_out}, {})
    return load_file(path)


def reconstruction_loss(made: Tensor, truth: Tensor, weights: Tensor, edge_weight: float) -> Tensor:
    """Mean absolute error, and that of the differences between neighbours: edges stay sharp.

    made, truth [B, 3, h, w]; weights [B, 1, h, w] of the pixels, whose mean counts as 1.
    """
    weights, error = weights / weights.mean(), made - truth
    loss = (weights * error.abs()).mean()
    loss = loss + edge_weight * (weights[..., 1:] * error.diff(dim=-1).abs()).mean()
    return loss + edge_weight * (weights[..., 1:, :] * error.diff(dim=-2).abs()).mean()


def spread_loss(latents: Tensor) -> Tensor:
    """How far each channel's mean and deviation are from 0 and 1; latents [B, 4, h, w]."""
    values = latents.transpose(0, 1).flatten(1)
    return values.mean(dim=1).square().mean() + (values.std(dim=1) - 1).square().mean()


def begun_vae(settings: TinyVAETraining) -> Any:
    vae = build_tiny_vae(settings.encoder_width, settings.decoder_width)
    begin_as_mean(vae)
    return vae


@torch.no_grad()
def begin_as_mean(vae: Any) -> None:
    """First weights with which three of the latents are a cell's mean colour, and the decoder paints it.

    Three channels of each layer carry red, green and blue; blocks add nothing at first; the other channels begin at
    random, as large as their input. From torch's own first weights the colours are not found in thousands of steps.
    """
    convolutions = [module for module in vae.modules() if isinstance(module, torch.nn.Conv2d)]
    for convolution in convolutions:
        torch.nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        if convolution.bias is not None:
            torch.nn.init.zeros_(convolution.bias)
    for module in vae.modules():
        if hasattr(module, "fuse"):  # a block
            torch.nn.init.zeros_(module.conv[-1].weight)
    colours, spread = torch.arange(3), 0.25  # of colours 0..1
    pixel, smooth = torch.zeros(3, 3), torch.tensor([1.0, 2.0, 1.0]) / 4
    pixel[1, 1] = 1
    for half in (vae.encoder, vae.decoder):
        for layer in half.layers:
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight[colours] = 0
                kernel = smooth[:, None] * smooth if layer.stride == (2, 2) else pixel
                layer.weight[colours, colours] = kernel
    to_latents, from_latents, to_picture = vae.encoder.layers[-1], vae.decoder.layers[0], vae.decoder.layers[-1]
    to_latents.weight[colours, colours] = pixel / spread
    to_latents.bias[colours] = -0.5 / spread
    from_latents.weight[colours, colours] = pixel * spread
    from_latents.bias[colours] = 0.5
    to_picture.weight[:, 3:] = 0


@torch.no_grad()
def passed_through(vae: Any, pictures: Tensor) -> Iterator[Tensor]:
    """Pictures [N, H, W, 3] uint8, encoded and decoded: [H, W, 3] uint8 one by one."""
    for picture in pictures:
        yield as_pictures(vae.decoder(vae.encoder(as_input(picture[None]))))[0]


def validate(vae: Any, held_out: Tensor) -> float:
    """Mean PSNR in dB of held-out pictures [N, H, W, 3] uint8 that were encoded and decoded."""
    pairs = zip(passed_through(vae, held_out), held_out, strict=True)
    found = [psnr(float((made.float() - picture.float()).square().mean())) for made, picture in pairs]
    return sum(found) / len(found)


def train_tiny_vae(
    clips: ClipSet,
    out: Path,
    settings: TinyVAETraining,
    *,
    start: Path | None = None,
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> Any:
    """Learn until ``settings.num_steps``; the same call goes on with a run that was stopped.

    start: an earlier run's file to begin from, of the same widths. out: the run's folder; ``vae.safetensors`` in it is
    the newest average of the weights, in TAESD's layout. Returns diffusers' AutoencoderTiny.
    """
    run = Run(out)
    run.begin({"task": "vae", "data": clips.digest(), "start": start and sha256_of(start), **asdict(settings)})
    kept = kept_pictures(clips, out, settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        vae = begun_vae(settings) if start is None else load_vae(start, torch.float32).requires_grad_(True).train()
    vae.to(team.device, memory_format=torch.channels_last)
    vae.encoder.requires_grad_(not settings.only_decoder)
    optimiser = adamw(list(learning(vae).values()), settings.learning_rate, 0.0)
    average = ExponentialAverage(vae, settings.average_decay)
    crops = Crops(kept["pictures"], kept["boxes"], settings)

    def backward(step: int) -> float:
        truth, weights = (given.to(team.device) for given in crops.take(step))
        generator = step_generator(settings.seed + 1, step)
        with torch.autocast(team.device.type, torch.bfloat16, enabled=settings.autocast):
            latents = vae.encoder(truth)
            noise = torch.randn(latents.shape, generator=generator).to(latents)
            made = vae.decoder(latents + settings.noise * noise)
        loss = reconstruction_loss(made.float(), truth, weights, settings.edge_weight)
        (loss + settings.spread_weight * spread_loss(latents.float())).backward()
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up)
        return loss.item()

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        with average.standing_in(vae):
            rows[-1]["held_out_psnr_db"] = round(validate(vae, kept["held_out"]), 3)
            write_vae(out / WEIGHTS, vae, {"step": str(step)})
        return {}

    def samples(step: int) -> None:
        with average.standing_in(vae):
            write_samples(out / "samples" / f"step_{step:06d}.png", vae, kept["held_out"][:SAMPLES])

    Learner(
        run,
        vae,
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
    return vae


def write_samples(path: Path, vae: Any, pictures: Tensor) -> None:
    """The pictures [N, H, W, 3] uint8 above, what comes out of the auto-encoder below."""
    write_sheet(path, [list(pictures.numpy()), [made.numpy() for made in passed_through(vae, pictures)]])


def write_vae(path: Path, vae: Any, metadata: dict[str, str]) -> None:
    tensors = {key: value.detach().float().cpu() for key, value in vae.state_dict().items()}
    write_atomically(path, taesd_layout(tensors, LATENT_SCALE), {"format": "pt", **metadata})
