"""A presenter's picture, drawn exactly from the keypoints: what moves in the poses moves in it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..poses import PoseSequence
from ..poses.skeleton import (
    LEFT_ELBOW,
    LEFT_HAND,
    LEFT_SHOULDER,
    LEFT_WRIST,
    RIGHT_ELBOW,
    RIGHT_HAND,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)
from .body import Arm, Torso, draw_forearm, draw_legs, draw_torso, draw_upper_arm
from .canvas import Canvas
from .head import Head, draw_back_hair, draw_head, draw_neck
from .identity import Identity, random_identity
from .presenter import presenter

CANVAS_PX, MIN_SCALE = 512, 2  # a picture is drawn at least so large, and larger than it is, and reduced
ARMS = (
    (RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, RIGHT_HAND),
    (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, LEFT_HAND),
)


@dataclass(frozen=True)
class Portrait:
    """picture: [H, W, 3] uint8 RGB. pose: one frame, in px of the picture. identity: who it shows."""

    picture: np.ndarray
    pose: PoseSequence
    identity: Identity


def portrait(seed: int, side_px: int = CANVAS_PX) -> Portrait:
    """The person of a seed, standing still with both hands in the picture."""
    pose, who = presenter(seed).sized(side_px, side_px), random_identity(seed)
    return Portrait(draw_presenter(who, pose.pixels[0].numpy(), side_px, side_px), pose, who)


def draw_frames(who: Identity, poses: PoseSequence, height_px: int, width_px: int) -> Iterator[np.ndarray]:
    """Every frame of a sequence as [H, W, 3] uint8 RGB on a picture of the given size."""
    for xy_px in poses.sized(height_px, width_px).pixels.numpy():
        yield draw_presenter(who, xy_px, height_px, width_px)


def draw_presenter(who: Identity, xy_px: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """One pose -> [H, W, 3] uint8 RGB. xy_px: [134, 2] in px of that picture; pixel (0, 0) covers 0..1.

    Hidden points are drawn as well: the world's poses have none.
    Order: wall, hair behind, legs, neck, torso, head, upper arms, forearms and hands.
    """
    import cv2

    scale = max(MIN_SCALE, -(-CANVAS_PX // max(height_px, width_px)))
    canvas = Canvas(_wall(who.wall, height_px * scale, width_px * scale).copy(), scale)
    xy_px = xy_px.astype(np.float64)
    head = Head.of(xy_px)
    unit = head.unit_px
    torso = Torso(xy_px, unit, who)
    arms = [Arm(xy_px[a], xy_px[b], xy_px[c], xy_px[hand.start : hand.stop]) for a, b, c, hand in ARMS]
    draw_back_hair(canvas, head, who)
    draw_legs(canvas, xy_px, unit, who)
    draw_neck(canvas, head, who)
    draw_torso(canvas, torso, who)
    draw_head(canvas, head, who)
    for arm in arms:
        draw_upper_arm(canvas, arm, unit, who)
    fallen = [outline for arm in arms for outline in arm.fallen(np.array([0.14, 0.26]) * unit, unit)]
    canvas.shadow(fallen, torso.outline, 0.13 * unit, 0.34)
    for arm in arms:
        draw_forearm(canvas, arm, unit, who)
    return cv2.resize(canvas.picture, (width_px, height_px), interpolation=cv2.INTER_AREA)


@lru_cache(maxsize=64)
def _wall(colours: tuple[tuple[int, int, int], tuple[int, int, int]], height_px: int, width_px: int) -> np.ndarray:
    """[H, W, 3] uint8: from one colour to the other, lighter behind the head."""
    y, x = np.linspace(0, 1, height_px)[:, None, None], np.linspace(-1, 1, width_px)[None, :, None]
    wall = np.array(colours[0]) * (1 - y) + np.array(colours[1]) * y
    glow = 0.09 * np.exp(-((x + 0.1) ** 2 * 2.2 + ((y - 0.3) * 2) ** 2 * 1.6))
    return (wall * (0.97 + glow)).clip(0, 255).astype(np.uint8)
