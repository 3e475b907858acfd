"""Poses -> motion masks: face, lips, hands and background boxes (paper Algorithm 1).

``REGIONS`` names them all. The lips are masked by ``lip_box``: the box around ``skeleton.LIPS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from . import PoseSequence
from .draw import draw_poses, pixel_points
from .skeleton import FACE, LEFT_HAND, LIPS, RIGHT_HAND

SEEN_SHARE = 0.45  # of a region's colour where its mask is seen on a picture

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in px; the upper ends are outside


@dataclass(frozen=True)
class Region:
    """A part of the person that has a mask. points: the keypoints of each of its boxes. colour: it is seen in, RGB."""

    points: tuple[range, ...]
    colour: tuple[int, int, int]


REGIONS = {  # by their names in ``Margins`` and ``MotionMasks``; the later ones are seen over the earlier
    "face": Region((FACE,), (70, 120, 255)),
    "hands": Region((LEFT_HAND, RIGHT_HAND), (60, 220, 90)),
    "lips": Region((LIPS,), (255, 60, 60)),
}


@dataclass(frozen=True)
class MotionMasks:
    """Where the person moves, frame by frame. Each [T, H, W] float32, 1 inside, 0 outside.

    background: everything but face and hands.
    """

    face: Tensor
    lips: Tensor
    hands: Tensor
    background: Tensor


@dataclass(frozen=True)
class Margins:
    """How far a region's box reaches beyond its keypoints, as a fraction of the box's own size (0 = Algorithm 1)."""

    face: float = 0.0
    lips: float = 0.0
    hands: float = 0.0


def region_box(
    points: range, xy_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int, margin: float = 0.0
) -> Box | None:
    """Box around the visible points of a region inside the picture, or None where it is empty.

    xy_px [134, 2] float32, score [134].
    """
    pixels, shown = pixel_points(xy_px, score)
    region = pixels[points.start : points.stop][shown[points.start : points.stop]]
    if len(region) == 0:
        return None
    (x0, y0), (x1, y1) = region.min(axis=0), region.max(axis=0)
    dx, dy = round(margin * float(x1 - x0)), round(margin * float(y1 - y0))
    x0, y0 = max(0, x0 - dx), max(0, y0 - dy)
    x1, y1 = min(width_px, x1 + dx), min(height_px, y1 + dy)
    return (int(x0), int(y0), int(x1), int(y1)) if x0 < x1 and y0 < y1 else None


def face_box(xy_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> Box | None:
    return region_box(FACE, xy_px, score, height_px, width_px)


def lip_box(xy_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> Box | None:
    return region_box(LIPS, xy_px, score, height_px, width_px)


def hand_boxes(xy_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> list[Box | None]:
    return [region_box(hand, xy_px, score, height_px, width_px) for hand in (LEFT_HAND, RIGHT_HAND)]


def motion_masks(
    poses: PoseSequence,
    height_px: int,
    width_px: int,
    *,
    margins: Margins = Margins(),
    hold_frames: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> MotionMasks:
    """Masks of every frame, each [T, H, W] float32 in {0, 1}.

    height_px, width_px: size of the masks. hold_frames: a mask also covers where its region was, or will be, up to
    this many frames away (0 = Algorithm 1). background = 1 - (face or hands).
    """
    if hold_frames < 0 or min(getattr(margins, name) for name in REGIONS) < 0:
        raise InputError(
            f"mask margins and hold must not be negative, got {margins} and {hold_frames} frames; "
            "0 is the paper's Algorithm 1."
        )
    xy = poses.sized(height_px, width_px).pixels.numpy()
    score = poses.score.numpy()
    masks = {name: torch.zeros(poses.num_frames, height_px, width_px) for name in REGIONS}
    for t in range(poses.num_frames):
        for name, region in REGIONS.items():
            margin = getattr(margins, name)
            for points in region.points:
                _fill(masks[name][t], region_box(points, xy[t], score[t], height_px, width_px, margin))
        if progress is not None:
            progress(t + 1, poses.num_frames)
    masks = {name: _hold(mask, hold_frames) for name, mask in masks.items()}
    return MotionMasks(**masks, background=1 - torch.maximum(masks["face"], masks["hands"]))


def masks_seen(
    poses: PoseSequence, masks: MotionMasks, height_px: int, width_px: int, picture: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """The masks in their regions' colours, frame by frame as [H, W, 3] uint8 RGB of the given size.

    picture: [h, w, 3] uint8 RGB to lay them over; without it the drawn poses.
    """
    import cv2

    def sized(pixels: np.ndarray) -> np.ndarray:
        return cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA)

    drawn = draw_poses(poses, height_px, width_px) if picture is None else repeat(sized(picture))
    for t, frame in zip(range(poses.num_frames), drawn, strict=False):
        seen = frame.astype(np.float32)
        for name, region in REGIONS.items():
            share = SEEN_SHARE * sized(getattr(masks, name)[t].numpy())[..., None]
            seen += share * (np.array(region.colour, np.float32) - seen)
        yield seen.round().astype(np.uint8)


def _fill(mask: Tensor, box: Box | None) -> None:
    if box is not None:
        x0, y0, x1, y1 = box
        mask[y0:y1, x0:x1] = 1


def _hold(mask: Tensor, num_frames: int) -> Tensor:
    """Maximum over time within +- num_frames; [T, H, W] -> [T, H, W]."""
    if num_frames == 0:
        return mask
    return torch.stack([mask[max(0, t - num_frames) : t + num_frames + 1].amax(dim=0) for t in range(len(mask))])
