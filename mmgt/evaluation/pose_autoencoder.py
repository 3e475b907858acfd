"""FGD and Div (Yoon et al. 2020, Liu et al. 2022) through an auto-encoder of pose clips that `mmgt train fgd` makes.

Numbers of two auto-encoders cannot be compared: the paper's was not published.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import LEFT_SHOULDER, RIGHT_SHOULDER
from ..weights.files import open_checkpoint
from ..weights.strict import load_strictly
from .distributions import frechet_distance, two_halves
from .measured import Measured
from .poses import POINTS, diversity, shoulder_width_px

CLIP_FRAMES = 80  # the paper's clips: 3.2 s
NUM_LATENTS = 32  # Yoon et al.
NUM_NUMBERS = 2 * len(POINTS)
WIDTH = 64
FILE = "fgd.safetensors"
ADVICE = f"take the {FILE} that `mmgt train fgd` makes"


class PoseAutoencoder(nn.Module):
    """Pose clips [N, 80, D] -> latents [N, 32] -> pose clips; of poses in shoulder widths (``pose_clips``).

    Convolutions over time that halve the rate four times, to 5 places, and a linear layer; mirrored on the way back.
    mean and scale [D] are those of the poses that it was trained on.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUM_NUMBERS))
        self.register_buffer("scale", torch.ones(NUM_NUMBERS))
        widths = [NUM_NUMBERS, *[WIDTH] * 4]
        down, up = [], []
        for i in range(4):
            down += [nn.Conv1d(widths[i], WIDTH, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            up += [nn.Upsample(scale_factor=2), nn.Conv1d(WIDTH, WIDTH, 3, padding=1), nn.LeakyReLU(0.2)]
        self.down, self.to_latents = nn.Sequential(*down), nn.Linear(5 * WIDTH, NUM_LATENTS)
        self.from_latents = nn.Linear(NUM_LATENTS, 5 * WIDTH)
        self.up = nn.Sequential(*up, nn.Conv1d(WIDTH, NUM_NUMBERS, 3, padding=1))

    def encode(self, clips: Tensor) -> Tensor:
        """[N, 80, D] -> [N, 32]."""
        normal = (clips - self.mean) / self.scale
        return self.to_latents(self.down(normal.transpose(1, 2)).flatten(1))

    def decode(self, latents: Tensor) -> Tensor:
        """[N, 32] -> [N, 80, D]."""
        normal = self.up(self.from_latents(latents).unflatten(1, (WIDTH, 5))).transpose(1, 2)
        return normal * self.scale + self.mean

    def forward(self, clips: Tensor) -> Tensor:
        return self.decode(self.encode(clips))


def pose_clips(poses: PoseSequence, stride: int) -> Tensor:
    """[N, 80, D] float32: every stride-th window at 25 frames a second, in shoulder widths from the shoulders' middle.

    A hidden point stays where it was seen last (before that: first), one that is never seen is 0. N is 0 for less than
    80 frames. Raises InputError where no frame shows both shoulders.
    """
    poses = poses.at_fps(POSE_FPS)
    xy, seen = poses.pixels.double().numpy(), poses.visible.numpy()
    shoulders = [LEFT_SHOULDER, RIGHT_SHOULDER]
    unit = shoulder_width_px(poses)
    middle = np.median(xy[seen[:, shoulders].all(axis=1)][:, shoulders].mean(axis=1), axis=0)
    xy, seen = (xy[:, POINTS] - middle) / unit, seen[:, POINTS]
    last = np.maximum.accumulate(np.where(seen, np.arange(len(seen))[:, None], -1), axis=0)
    last = np.where(last < 0, seen.argmax(axis=0), last)
    ever_seen = np.asarray(seen.any(axis=0))
    held = np.take_along_axis(xy, last[..., None], axis=0) * ever_seen[:, None]
    starts = range(0, len(held) - CLIP_FRAMES + 1, stride)
    windows = [held[start : start + CLIP_FRAMES].reshape(CLIP_FRAMES, -1) for start in starts]
    return torch.from_numpy(np.array(windows, np.float32).reshape(-1, CLIP_FRAMES, NUM_NUMBERS))


def load_pose_autoencoder(path: Path) -> PoseAutoencoder:
    """Raises InputError for a file that is none."""
    checkpoint = open_checkpoint(path, ADVICE)
    with torch.device("meta"):
        network = PoseAutoencoder()
    try:
        load_strictly(network, checkpoint.tensors, str(path), torch.float32)
    except InputError as error:
        raise InputError(f"{path} is no auto-encoder of poses ({error}); {ADVICE}.") from error
    return network.eval()


@torch.no_grad()
def latents_of(network: PoseAutoencoder, poses: PoseSequence, stride: int = 1) -> np.ndarray:
    """[N, 32] float64 of the windows of poses."""
    clips = pose_clips(poses, stride)
    return network.encode(clips).double().numpy() if len(clips) else np.empty((0, NUM_LATENTS))


def latent_measures(latents: np.ndarray, reference: np.ndarray, seed: int = 0) -> list[Measured]:
    """FGD of latents [N, 32] against a reference's [M, 32], that of two halves of the reference, drawn by the seed, and
    the diversity of both; nothing for fewer than 2 windows, or 4 of the reference."""
    if len(latents) < 2 or len(reference) < 4:
        return []
    halves = two_halves(reference, seed)
    source = f"Yoon et al. 2020, our auto-encoder, {len(reference)} windows of the reference"
    rows = [
        Measured("FGD", frechet_distance(latents, reference), len(latents), "latents^2", "lower", source,
                 "how differently gestures are distributed; compare with the row of two halves, and within one "
                 "auto-encoder only"),
        Measured("FGD of two halves of the reference", frechet_distance(*halves), len(halves[0]), "latents^2", "none",
                 source, "what equal distributions come to with so few windows"),
    ]  # fmt: skip
    for name, samples in (("", latents), (" of the reference", reference)):
        rows.append(
            Measured(f"diversity of gestures{name}", diversity(samples), len(samples), "latents", "none",
                     "Div of HA2G through our auto-encoder", "how much windows of 3.2 s differ; compare both")
        )  # fmt: skip
    return rows
