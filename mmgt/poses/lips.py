"""Lips that close where nobody speaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from . import PoseSequence

# Upper inner, lower inner, and the outer points next to them; lips meet column by column, the corners stay.
LIP_COLUMNS = ((85, 91, 74, 82), (86, 90, 75, 81), (87, 89, 76, 80))
OUTER_LIP_FOLLOWS = 0.7  # of the inner lip's way: closing also thins the lips
EASE_IN_S = 0.2  # frame 0 is the initial pose, whose lips may be open


def close_lips_in_silence(poses: PoseSequence, speaking: Tensor) -> PoseSequence:
    """Close the lips where ``speaking`` [T], 0..1, is 0, and leave them as they are where it is 1.

    Each lip goes half of the way. Raises InputError if the poses and the speech differ in length.
    """
    if len(speaking) != poses.num_frames:
        raise InputError(
            f"the poses last {poses.num_frames} frames, but the speech {len(speaking)}; use the speech that they were "
            "made from."
        )
    ease_in = (torch.arange(poses.num_frames) / (EASE_IN_S * poses.fps)).clamp(max=1)
    closed = ((1 - speaking) * ease_in)[:, None].to(poses.keypoints)  # [T, 1]
    keypoints = poses.keypoints.clone()
    move_lips_together(keypoints, closed)
    return replace(poses, keypoints=keypoints)


def move_lips_together(points: Any, share: Any) -> None:
    """Move the lips of points [T, 134, ...] in place, column by column: 0 = as they are, 1 = they meet.

    points and share (a number, or what broadcasts to [T, ...]) are torch's or numpy's, real or complex.
    """
    for upper, lower, upper_outer, lower_outer in LIP_COLUMNS:
        to_lower = share * (points[:, lower] - points[:, upper]) / 2
        points[:, upper] += to_lower
        points[:, lower] -= to_lower
        points[:, upper_outer] += OUTER_LIP_FOLLOWS * to_lower
        points[:, lower_outer] -= OUTER_LIP_FOLLOWS * to_lower
