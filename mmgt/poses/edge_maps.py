"""Edge heat maps (Contextual Gesture, arXiv 2502.07239, equations 4 to 7): a soft picture of the skeleton.

A pixel's value is the largest over all bones of exp(-d^2 / sigma^2), d its distance from the bone. The sign is lost in
the paper's text; with plus the map would have no bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from . import PoseSequence
from .skeleton import (
    BROWS,
    FACE,
    HAND_EDGES,
    INNER_LIPS,
    JAW,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_HAND,
    LEGS,
    LIMBS,
    NOSE_LINE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_HAND,
)

NOTHING = 1e-7  # of the map's 1: below it a pixel is 0, and lies too far from the bone to be looked at
NOSE_BRIDGE, NOSTRILS = NOSE_LINE[:4], NOSE_LINE[4:]


def _chain(points: range, closed: bool = False) -> list[tuple[int, int]]:
    return [*pairwise(points), *([(points[-1], points[0])] if closed else [])]


# 116 bones: limbs without legs, fingers, and the face's lines.
BONES: tuple[tuple[int, int], ...] = (
    *((a, b) for a, b in LIMBS if a not in LEGS and b not in LEGS),
    *((hand[a], hand[b]) for hand in (LEFT_HAND, RIGHT_HAND) for a, b in HAND_EDGES),
    *(bone for line in (JAW, RIGHT_BROW, LEFT_BROW, NOSE_BRIDGE, NOSTRILS) for bone in _chain(line)),
    *(bone for ring in (RIGHT_EYE, LEFT_EYE, OUTER_LIPS, INNER_LIPS) for bone in _chain(ring, closed=True)),
)
assert {point for bone in BONES for point in bone} >= {*FACE, *BROWS, *LEFT_HAND, *RIGHT_HAND}


def edge_maps(
    poses: PoseSequence,
    height_px: int,
    width_px: int,
    sigma: float = 0.012,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Edge heat maps of all frames, [T, H, W] float32 of 0..1.

    sigma: the thickness, as a share of the picture's short side; the paper learns it. A bone is drawn where both of its
    points are visible; one of no length is a dot. progress(step, num_frames) may raise to cancel. Raises InputError for
    another thickness than 0.001..0.2, or no pixel.
    """
    if min(height_px, width_px) < 1:
        raise InputError(f"an edge heat map cannot be {width_px}x{height_px} px; give 1 px a side or more.")
    if not 0.001 <= sigma <= 0.2:
        raise InputError(
            f"the thickness is {sigma}; it must be between 0.001 and 0.2 of the picture's short side (0.012 is usual)."
        )
    size_px = np.array([width_px, height_px], np.float64)
    xy_px, seen = poses.keypoints.cpu().double().numpy() * size_px, poses.visible.cpu().numpy()
    maps = np.empty((poses.num_frames, height_px, width_px), np.float32)
    for t in range(poses.num_frames):
        _draw(maps[t], xy_px[t], seen[t], sigma * min(height_px, width_px))
        if progress is not None:
            progress(t + 1, poses.num_frames)
    return torch.from_numpy(maps)


def _draw(edge_map: np.ndarray, xy_px: np.ndarray, seen: np.ndarray, sigma_px: float) -> None:
    """One frame into ``edge_map`` [H, W]: the least squared distance to bones within reach, then one exponential."""
    height, width = edge_map.shape
    squares = np.full((height, width), np.inf)
    reach_px = sigma_px * math.sqrt(-math.log(NOTHING))
    for a, b in BONES:
        if not (seen[a] and seen[b]):
            continue
        start, way = xy_px[a], xy_px[b] - xy_px[a]
        low = np.floor(np.minimum(xy_px[a], xy_px[b]) - reach_px).clip(0, (width, height)).astype(int)
        high = np.ceil(np.maximum(xy_px[a], xy_px[b]) + reach_px + 1).clip(0, (width, height)).astype(int)
        x, y = np.arange(low[0], high[0]) + 0.5 - start[0], np.arange(low[1], high[1])[:, None] + 0.5 - start[1]
        length_squared = way @ way
        along = ((x * way[0] + y * way[1]) / length_squared).clip(0, 1) if length_squared > 0 else 0.0
        distance = (x - along * way[0]) ** 2 + (y - along * way[1]) ** 2
        place = squares[low[1] : high[1], low[0] : high[0]]
        np.minimum(place, distance, out=place)
    near = squares <= reach_px**2
    edge_map[:] = 0
    edge_map[near] = np.exp(-squares[near] / sigma_px**2)
