"""When gestures are fast and when they rest, told from speech. Not of the paper.

What a body does hardly depends on speech; when it does it depends a lot: convolutions over speech tell how fast arms
and head move far better than a masked transformer finds out by itself. So the pace is learned on its own, as a
regression, and the transformers learn which tokens go with the true pace. Sampled, they get the told one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..motion_edit.tree import NOSE_TIP
from .config import ARM_POINTS, Part
from .layers import Convolutions
from .motion import POINTS

# Points whose speed has the beats; the neck follows from the shoulders.
MOVING_POINTS: dict[Part, list[int]] = {"face": [NOSE_TIP], "body": POINTS["body"][:ARM_POINTS]}
SMOOTHED_FRAMES = 2.0  # deviation of the Gaussian over speeds, about what beats are measured with
LEAST_SPEED = 0.05  # of the window's mean speed, at which the logarithm levels off


def moving_points(motion: Tensor, part: Part) -> Tensor:
    """Motion [..., C] -> that of ``MOVING_POINTS`` [..., N, 2]."""
    places = [POINTS[part].index(point) for point in MOVING_POINTS[part]]
    return motion.unflatten(-1, (-1, 2))[..., places, :]


def pace_of(motion: Tensor, part: Part) -> Tensor:
    """Motion [B, T, C] -> its pace [B, T, 1]: the logarithm of the moving points' summed speed, smoothed, less its
    mean."""
    speed = moving_points(motion, part).diff(dim=1).norm(dim=-1).sum(dim=-1)  # [B, T - 1]
    reach = round(3 * SMOOTHED_FRAMES)
    frames = torch.arange(-reach, reach + 1, device=speed.device, dtype=speed.dtype)
    weights = torch.exp(-frames.square() / (2 * SMOOTHED_FRAMES**2))
    padded = F.pad(speed[:, None], (reach + 1, reach), mode="replicate")  # frame 0 has no speed of its own
    smoothed = F.conv1d(padded, (weights / weights.sum())[None, None])[:, 0]  # [B, T]
    mean = smoothed.mean(dim=1, keepdim=True).clamp(min=1e-6)
    logarithm = (smoothed / mean + LEAST_SPEED).log()
    return (logarithm - logarithm.mean(dim=1, keepdim=True))[..., None]


class Pace(nn.Module):
    """One part's pace from speech, and the pace as a transformer reads it beside speech."""

    def __init__(self, audio_channels: int, width: int, num_blocks: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.from_speech = Convolutions(audio_channels, width, 1, num_blocks, ops, **kw)
        self.embedding = Convolutions(1, width, width, 1, ops, **kw)

    def forward(self, speech: Tensor) -> Tensor:
        """Normalised speech features [B, T, audio_channels] -> the pace [B, T, 1], as ``pace_of`` measures it."""
        return self.from_speech(speech)
