"""Poses -> pose pictures: as MM-HAA was trained on them, or as OpenPose ControlNets were."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np

from . import PoseSequence
from .skeleton import (
    BODY,
    BODY_COLOURS,
    FACE,
    FACE_COLOUR,
    HAND_EDGE_COLOURS,
    HAND_EDGES,
    HAND_POINT_COLOUR,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    LEGS,
    LIMBS,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
    is_visible,
)

LIMB_HALF_WIDTH_PX = 4
JOINT_RADIUS_PX = 4
FACE_RADIUS_PX = 3
HAND_LINE_PX = 2


@dataclass(frozen=True)
class DrawingStyle:
    """What the pose pictures that a network was trained on have of their own.

    limb_brightness: of the limbs' colours. hand_edge_colours: RGB, one an edge. white_points: drawn as white dots.
    hidden_points: never drawn. scaled: strokes grow with the picture.
    """

    limb_brightness: float
    hand_edge_colours: tuple[tuple[int, ...], ...]
    white_points: tuple[int, ...]
    hidden_points: tuple[int, ...]
    scaled: bool


MMHAA_STYLE = DrawingStyle(0.9, HAND_EDGE_COLOURS, tuple(FACE), LEGS, scaled=True)
OPENPOSE_STYLE = DrawingStyle(  # as DWPose of comfyui_controlnet_aux draws it; its 70 face points end with the eyes
    0.6,
    tuple(
        tuple(round(255 * part) for part in hsv_to_rgb(edge / len(HAND_EDGES), 1, 1)) for edge in range(len(HAND_EDGES))
    ),
    (*FACE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE),
    (),
    scaled=False,
)
STYLES = {"MM-HAA": MMHAA_STYLE, "OpenPose": OPENPOSE_STYLE}


def pixel_points(xy_px: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which face and hand points are shown, and where: [134, 2] int (cut towards zero), [134] bool.

    A point needs a score of at least 0.3 and a pixel above 0 in x and y; the right and bottom are not checked.
    """
    pixels = np.trunc(xy_px).astype(np.int64)
    return pixels, is_visible(score) & (pixels > 0).all(axis=1)


def draw_pose(
    xy_px: np.ndarray,
    score: np.ndarray,
    height_px: int,
    width_px: int,
    scale: float = 1.0,
    style: DrawingStyle = MMHAA_STYLE,
) -> np.ndarray:
    """One pose -> [H, W, 3] uint8 RGB on black.

    xy_px: [134, 2] float32 in pixels of the picture. score: [134]. scale: stroke widths relative to those of a
    512-pixel picture. Feet are never drawn, nor knees and ankles for MM-HAA: it has not seen them.
    """
    score = np.where(np.isin(np.arange(len(score)), style.hidden_points), 0, score)
    canvas = np.zeros((height_px, width_px, 3), np.uint8)
    _draw_limbs(canvas, xy_px, score, scale)
    canvas = (canvas * style.limb_brightness).astype(np.uint8)
    _draw_joints(canvas, xy_px, score, scale)
    pixels, shown = pixel_points(xy_px, score)
    for hand in (LEFT_HAND, RIGHT_HAND):
        of_hand = slice(hand.start, hand.stop)
        _draw_hand(canvas, pixels[of_hand], shown[of_hand], style.hand_edge_colours, scale)
    for point in style.white_points:
        if shown[point]:
            _circle(canvas, pixels[point], FACE_RADIUS_PX * scale, FACE_COLOUR)
    return canvas


def _draw_limbs(canvas: np.ndarray, xy_px: np.ndarray, score: np.ndarray, scale: float) -> None:
    import cv2

    for (a, b), colour in zip(LIMBS, BODY_COLOURS, strict=False):
        if not is_visible(min(score[a], score[b])):
            continue
        (xa, ya), (xb, yb) = xy_px[a], xy_px[b]
        mean = xy_px[[a, b]].mean(axis=0)
        length = ((xa - xb) ** 2 + (ya - yb) ** 2) ** 0.5
        angle = math.degrees(math.atan2(ya - yb, xa - xb))
        axes = int(length / 2), round(LIMB_HALF_WIDTH_PX * scale)
        polygon = cv2.ellipse2Poly((int(mean[0]), int(mean[1])), axes, int(angle), 0, 360, 1)
        cv2.fillConvexPoly(canvas, polygon, colour)


def _draw_joints(canvas: np.ndarray, xy_px: np.ndarray, score: np.ndarray, scale: float) -> None:
    for joint, colour in zip(BODY, BODY_COLOURS, strict=True):
        if is_visible(score[joint]):
            _circle(canvas, xy_px[joint], JOINT_RADIUS_PX * scale, colour)


def _draw_hand(
    canvas: np.ndarray,
    pixels: np.ndarray,
    shown: np.ndarray,
    edge_colours: tuple[tuple[int, ...], ...],
    scale: float,
) -> None:
    import cv2

    for (a, b), colour in zip(HAND_EDGES, edge_colours, strict=True):
        if shown[a] and shown[b]:
            start, end = ((int(x), int(y)) for x, y in pixels[[a, b]])
            cv2.line(canvas, start, end, colour, thickness=max(1, round(HAND_LINE_PX * scale)))
    for pixel in pixels[shown]:
        _circle(canvas, pixel, JOINT_RADIUS_PX * scale, HAND_POINT_COLOUR)


def _circle(canvas: np.ndarray, xy: np.ndarray, radius_px: float, colour: tuple[int, int, int]) -> None:
    import cv2

    cv2.circle(canvas, (int(xy[0]), int(xy[1])), max(1, round(radius_px)), colour, thickness=-1)


def over(picture: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """What is drawn on black [H, W, 3] uint8, over the picture at half its brightness."""
    return np.where(drawn.any(axis=-1, keepdims=True), drawn, picture // 2)


def draw_poses(
    poses: PoseSequence,
    height_px: int,
    width_px: int,
    progress: Callable[[int, int], None] | None = None,
    style: DrawingStyle = MMHAA_STYLE,
) -> Iterator[np.ndarray]:
    """Every frame of a sequence, one by one, as [H, W, 3] uint8 RGB on a picture of the given size.

    For MM-HAA strokes keep their width relative to a short side of 512 px; OpenPose's are as wide on any picture.
    """
    scale = min(height_px, width_px) / 512 if style.scaled else 1.0
    xy = poses.sized(height_px, width_px).pixels.numpy()  # [T, 134, 2]
    for t, (points, score) in enumerate(zip(xy, poses.score.numpy(), strict=True)):
        yield draw_pose(points, score, height_px, width_px, scale, style)
        if progress is not None:
            progress(t + 1, poses.num_frames)
