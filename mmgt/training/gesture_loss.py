"""Errors of decoded motion, as Contextual Gesture's tokenizers and generator learn by them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contextual_gesture.config import Part
from ..contextual_gesture.pace import moving_points


def motion_errors(made: Tensor, truth: Tensor) -> Tensor:
    """Mean squares of the error of motion [B, T, C], of its velocity and of its acceleration, summed."""
    error = made - truth
    return torch.stack([each.square().mean() for each in (error, error.diff(dim=1), error.diff(n=2, dim=1))]).sum()


def gesture_errors(made: Tensor, truth: Tensor, part: Part) -> Tensor:
    """Mean squares of the errors of velocity and of acceleration, summed, of ``MOVING_POINTS`` in motion [B, T, C]."""
    error = moving_points(made - truth, part)
    return error.diff(dim=1).square().mean() + error.diff(n=2, dim=1).square().mean()
