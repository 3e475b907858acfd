"""One arm as a layer of its own: three bones (upper arm, forearm, hand), blended at the joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..poses.skeleton import HAND_EDGES, LEFT_HAND, LEFT_SHOULDER, RIGHT_HAND, RIGHT_SHOULDER, is_visible
from .bands import Between, go_on
from .geometry import as_complex, as_points, similarity
from .matte import clean_colours, soften, with_alpha

Arm = tuple[int, int, int]  # keypoint indices of shoulder, elbow and wrist
ARMS = ((2, 3, 4, RIGHT_HAND), (5, 6, 7, LEFT_HAND))  # shoulder, elbow, wrist, hand
# half widths as fractions of the shoulder width (36 cm in an adult): a clothed upper arm is 11 cm wide, a forearm 9 cm,
# a finger 3 cm with its soft edge
UPPER_RADIUS, FOREARM_RADIUS, FINGER_RADIUS = 0.15, 0.125, 0.04
OUTSIDE_WIDER = 1.8  # beside the torso nothing else is near: wide sleeves are taken whole
MIN_STRETCH, MAX_STRETCH = 0.3, 1.5  # of a bone in the picture: foreshortening, and a limit for impossible poses
GRID = 32  # cells of the backward map over the arm's box


@dataclass(frozen=True)
class ArmLayer:
    """shoulder, elbow, wrist: keypoint indices. hand: indices of the hand's visible points (may be empty).

    rest_px: [134, 2] keypoints in the picture. radii_px: [3] reach of the bones. texture: [H, W, 4] uint8 RGBA.
    """

    shoulder: int
    elbow: int
    wrist: int
    hand: np.ndarray
    rest_px: np.ndarray
    radii_px: np.ndarray
    texture: np.ndarray


def visible_arms(points_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> list[Arm]:
    """The arms that can move on their own: all three seen, inside, and not collapsed."""
    arms = []
    for shoulder, elbow, wrist, _ in ARMS:
        joints = [shoulder, elbow, wrist]
        xy = points_px[joints]
        inside = ((xy >= 0) & (xy < [width_px, height_px])).all()
        bones_px = np.hypot(*np.diff(xy, axis=0).T)
        if inside and is_visible(score[joints]).all() and bones_px.min() > 0.02 * max(height_px, width_px):
            arms.append((shoulder, elbow, wrist))
    return arms


def arm_mask(
    points_px: np.ndarray, score: np.ndarray, arm: Arm, matte: np.ndarray, torso: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which part of the matte [H, W] is this arm.

    torso: [H, W] bool. Returns (mask [H, W] float32 0..1, indices of the visible hand points, reach of the three
    bones [3] in pixels).
    """
    import cv2

    hand_range = next(hand for first, *_, hand in ARMS if first == arm[0])
    hand = np.array([i for i in hand_range if is_visible(score[i])], dtype=int)
    shoulder_px = float(np.hypot(*(points_px[RIGHT_SHOULDER] - points_px[LEFT_SHOULDER])))
    segments = _segments(points_px, arm, hand)
    radii_px = shoulder_px * np.array([UPPER_RADIUS, FOREARM_RADIUS, FINGER_RADIUS])
    wide, narrow = np.zeros(matte.shape, np.uint8), np.zeros(matte.shape, np.uint8)
    for (start, end), radius in zip(segments[:2], radii_px[:2], strict=True):
        for canvas, scale in ((narrow, 1.0), (wide, OUTSIDE_WIDER)):
            cv2.line(canvas, _whole(start), _whole(end), 1, max(1, round(2 * radius * scale)))
    for canvas, scale in ((narrow, 1.0), (wide, OUTSIDE_WIDER)):
        _draw_hand(canvas, points_px, score, hand_range, segments, max(1, round(2 * radii_px[2] * scale)))
    taken = (narrow > 0) | ((wide > 0) & ~torso)
    start, end = segments[2]
    hand_reach_px = float(_distance(points_px[hand], start, end).max(initial=radii_px[1])) + radii_px[2]
    reach_px = OUTSIDE_WIDER * np.array([radii_px[0], radii_px[1], hand_reach_px]) + 3.0
    return np.minimum(soften(taken), matte), hand, reach_px


def make_arm(
    picture: np.ndarray,
    behind: np.ndarray,
    mask: np.ndarray,
    points_px: np.ndarray,
    arm: Arm,
    hand: np.ndarray,
    reach_px: np.ndarray,
    between: Between = go_on,
) -> ArmLayer:
    """Cut the arm out of the picture; behind [H, W, 3] uint8 is what shows without it."""
    colours = clean_colours(picture, mask, behind, between)
    texture = with_alpha(colours, mask, between)
    shoulder, elbow, wrist = arm
    return ArmLayer(shoulder, elbow, wrist, hand, points_px, reach_px, texture)


def place_arm(layer: ArmLayer, points_px: np.ndarray) -> tuple[slice, slice, np.ndarray, np.ndarray] | None:
    """The arm in a new pose: (rows, columns, colours [h, w, 3] uint8, alpha [h, w] float32), None when outside."""
    import cv2

    height_px, width_px = layer.texture.shape[:2]
    arm = (layer.shoulder, layer.elbow, layer.wrist)
    posed = _possible(layer, points_px)
    target, rest = _segments(posed, arm, layer.hand), _segments(layer.rest_px, arm, layer.hand)
    ends = np.array(target).reshape(-1, 2)
    margin = layer.radii_px.max()
    x0, y0 = np.maximum(np.floor(ends.min(axis=0) - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(ends.max(axis=0) + margin), [width_px, height_px]).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    xs = x0 + (np.arange(GRID) + 0.5) * (x1 - x0) / GRID - 0.5
    ys = y0 + (np.arange(GRID) + 0.5) * (y1 - y0) / GRID - 0.5
    grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)  # [GRID^2, 2]
    backward = [_bone_backward(grid, *target[b], *rest[b]) for b in range(2)]
    backward.append(_hand_backward(grid, layer, posed) if len(layer.hand) >= 3 else backward[1])
    distances = np.stack([_distance(grid, *segment) for segment in target])  # [3, GRID^2]
    # each pixel goes with its nearest bone; the blend is as wide as a third of the limb
    closeness = np.exp(-(distances - distances.min(axis=0)) / (0.2 * layer.radii_px[1]))
    share = closeness / closeness.sum(axis=0)
    source = (share[..., None] * np.stack(backward)).sum(axis=0)
    cover = np.clip((1.12 - (distances / layer.radii_px[:, None]).min(axis=0)) / 0.12, 0, 1)
    size = int(x1 - x0), int(y1 - y0)
    field = np.dstack([(source - grid).reshape(GRID, GRID, 2), cover.reshape(GRID, GRID)]).astype(np.float32)
    field = cv2.resize(field, size, interpolation=cv2.INTER_LINEAR)
    map_x = field[..., 0] + np.arange(x0, x1, dtype=np.float32)
    map_y = field[..., 1] + np.arange(y0, y1, dtype=np.float32)[:, None]
    moved = cv2.remap(layer.texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    alpha = moved[..., 3] * (field[..., 2] * np.float32(1 / 255))
    return slice(y0, y1), slice(x0, x1), moved[..., :3], alpha


def arm_motion_px(layer: ArmLayer, points_px: np.ndarray) -> float:
    """How far the arm's farthest visible point went from the picture's pose."""
    points = [layer.shoulder, layer.elbow, layer.wrist, *layer.hand]
    return float(np.hypot(*(points_px[points] - layer.rest_px[points]).T).max())


def _draw_hand(
    canvas: np.ndarray,
    points_px: np.ndarray,
    score: np.ndarray,
    hand: range,
    segments: list[tuple[np.ndarray, np.ndarray]],
    thickness: int,
) -> None:
    """Palm and visible fingers, without what shows between them; a fist-sized stub for an unseen hand."""
    import cv2

    seen = [(hand[a], hand[b]) for a, b in HAND_EDGES if is_visible(min(score[hand[a]], score[hand[b]]))]
    for a, b in seen:
        cv2.line(canvas, _whole(points_px[a]), _whole(points_px[b]), 1, thickness)
    palm = [hand[i] for i in (0, 1, 5, 9, 13, 17) if is_visible(score[hand[i]])]
    if len(palm) >= 3:
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.rint(points_px[palm]).astype(np.int32)), 1)
    if not seen:
        cv2.line(canvas, _whole(segments[2][0]), _whole(segments[2][1]), 1, 2 * thickness)


def _segments(points_px: np.ndarray, arm: Arm, hand: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Start and end of upper arm, forearm and hand; an unseen hand goes on along the forearm."""
    shoulder, elbow, wrist = (points_px[joint] for joint in arm)
    if len(hand) >= 3:
        away = points_px[hand].mean(axis=0) - wrist
        return [(shoulder, elbow), (elbow, wrist), (wrist, wrist + 1.5 * away)]
    return [(shoulder, elbow), (elbow, wrist), (wrist, wrist + 0.4 * (wrist - elbow))]


def _possible(layer: ArmLayer, points_px: np.ndarray) -> np.ndarray:
    """The pose with both bones' lengths kept within what an arm can do; the hand follows its wrist."""
    posed = points_px.copy()
    for start, end in ((layer.shoulder, layer.elbow), (layer.elbow, layer.wrist)):
        rest_px = float(np.hypot(*(layer.rest_px[end] - layer.rest_px[start])))
        bone = points_px[end] - points_px[start]
        length_px = float(np.hypot(*bone))
        if length_px < 1e-3:
            bone, length_px = layer.rest_px[end] - layer.rest_px[start], rest_px
        kept_px = min(max(length_px, MIN_STRETCH * rest_px), MAX_STRETCH * rest_px)
        posed[end] = posed[start] + bone * (kept_px / length_px)
    posed[layer.hand] += posed[layer.wrist] - points_px[layer.wrist]
    return posed


def _bone_backward(
    grid: np.ndarray, start: np.ndarray, end: np.ndarray, rest_start: np.ndarray, rest_end: np.ndarray
) -> np.ndarray:
    """Where grid points [N, 2] come from: stretched along the bone only, a foreshortened arm keeps its width."""
    bone, rest_bone = end - start, rest_end - rest_start
    length, rest_length = np.hypot(*bone), np.hypot(*rest_bone)
    along, rest_along = bone / length, rest_bone / rest_length
    across, rest_across = along[::-1] * [-1, 1], rest_along[::-1] * [-1, 1]
    offset = grid - start
    return (
        rest_start
        + (offset @ along)[:, None] * (rest_length / length) * rest_along
        + (offset @ across)[:, None] * rest_across
    )


def _hand_backward(grid: np.ndarray, layer: ArmLayer, posed: np.ndarray) -> np.ndarray:
    """Where grid points [N, 2] come from when the hand moves as one rigid piece."""
    points = [layer.wrist, *layer.hand]
    a, b = similarity(as_complex(posed[points]), as_complex(layer.rest_px[points]), (1 / 1.4, 1 / 0.7))
    return as_points(a * as_complex(grid) + b)


def _distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance of points [N, 2] to a segment."""
    bone = (end - start).astype(np.float64)
    t = np.clip(((points - start) @ bone) / max(float(bone @ bone), 1e-9), 0.0, 1.0)
    return np.hypot(*(points - start - t[:, None] * bone).T)


def _whole(xy: np.ndarray) -> list[int]:
    return np.rint(np.clip(xy, -8192, 8192)).astype(int).tolist()
