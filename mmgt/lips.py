"""Lips that close where nobody speaks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .errors import InputError
from .poses import PoseSequence

# Upper inner, lower inner, and the outer points next to them; lips meet column by column, the corners stay.
LIP_COLUMNS = ((85, 91, 74, 82), (86, 90, 75, 81), (87, 89, 76, 80))
OUTER_LIP_FOLLOWS = 0.7  # of the inner lip's way: closing also thins the lips
EASE_IN_S = 0.2  # frame 0 is the initial pose, whose lips may be open


def close_lips(poses: PoseSequence, speaking: Tensor) -> PoseSequence:
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
    for upper, lower, upper_outer, lower_outer in LIP_COLUMNS:
        to_lower = closed * (poses.keypoints[:, lower] - poses.keypoints[:, upper]) / 2  # [T, 2]
        keypoints[:, upper] += to_lower
        keypoints[:, lower] -= to_lower
        keypoints[:, upper_outer] += OUTER_LIP_FOLLOWS * to_lower
        keypoints[:, lower_outer] -= OUTER_LIP_FOLLOWS * to_lower
    return replace(poses, keypoints=keypoints)
