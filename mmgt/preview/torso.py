"""The torso: its points, how neck, shoulders and hips shift them, and its outline under the arms."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import LEFT_ELBOW, LEFT_HIP, LEFT_SHOULDER, RIGHT_ELBOW, RIGHT_HIP, RIGHT_SHOULDER, is_visible


def torso_controls(rest_px: np.ndarray, score: np.ndarray, height_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Torso points [N, 2] and how each mixes the shifts of neck, shoulders and hips [N, 5].

    rest_px: [134, 2] pixels. score: [134]. height_px: the picture's; an elbow below it is no torso point.
    """
    right, left = rest_px[RIGHT_SHOULDER], rest_px[LEFT_SHOULDER]
    neck = 0.5 * (right + left)
    right_hip, left_hip = _hips(rest_px, score)
    base = np.stack([neck, right, left, right_hip, left_hip])
    mixes = [np.eye(5)[i] for i in range(5)]
    for t in (1 / 4, 1 / 2, 3 / 4):
        mixes += [[0, 1 - t, 0, t, 0], [0, 0, 1 - t, 0, t], [0, (1 - t) / 2, (1 - t) / 2, t / 2, t / 2]]
    mixes += [[0, 1.3, -0.3, 0, 0], [0, -0.3, 1.3, 0, 0], [0.5, 0.5, 0, 0, 0], [0.5, 0, 0.5, 0, 0]]
    mixes = [np.asarray(mix, np.float64) for mix in mixes]
    points = [mix @ base for mix in mixes]
    for elbow, shoulder in ((RIGHT_ELBOW, 1), (LEFT_ELBOW, 2)):  # an arm that is no layer hangs on its shoulder
        if is_visible(score[elbow]) and 0 <= rest_px[elbow][1] < height_px:
            points.append(rest_px[elbow])
            mixes.append(0.7 * np.eye(5)[shoulder] + 0.3 * np.eye(5)[shoulder + 2])
    return np.array(points), np.array(mixes)


def body_shifts(rest_px: np.ndarray, score: np.ndarray, posed: np.ndarray) -> np.ndarray:
    """Shifts [5, 2] of neck, shoulders and hips in pixels, at most a shoulder width; unseen hips sway half as far.

    rest_px, posed: [134, 2] pixels in the picture and in the new pose. score: [134].
    """
    limit_px = np.hypot(*(rest_px[LEFT_SHOULDER] - rest_px[RIGHT_SHOULDER]))
    shoulders = posed[[RIGHT_SHOULDER, LEFT_SHOULDER]] - rest_px[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    hip_points = [RIGHT_HIP, LEFT_HIP]
    if is_visible(score[hip_points]).all():
        hips = posed[hip_points] - rest_px[hip_points]
    else:
        hips = np.repeat(0.5 * shoulders.mean(axis=0, keepdims=True), 2, axis=0)
    shifts = np.vstack([shoulders.mean(axis=0, keepdims=True), shoulders, hips]).astype(np.float64)
    lengths = np.hypot(*shifts.T)[:, None]
    return shifts * np.minimum(1.0, limit_px / np.maximum(lengths, 1e-6))


def torso_polygon(rest_px: np.ndarray, score: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """[H, W] bool: shoulders to hips and on to the lap, opaque under the arms.

    rest_px: [134, 2] pixels. score: [134]. shape: (H, W).
    """
    import cv2

    right_hip, left_hip = _hips(rest_px, score)
    out = 0.12 * (left_hip - right_hip)  # the hip joints lie inside the body
    down = 3 * (right_hip + left_hip - rest_px[RIGHT_SHOULDER] - rest_px[LEFT_SHOULDER])  # the lap: past the border
    corners = np.array(
        [
            rest_px[RIGHT_SHOULDER],
            rest_px[LEFT_SHOULDER],
            left_hip + out,
            left_hip + out + down,
            right_hip - out + down,
            right_hip - out,
        ]
    )
    return cv2.fillPoly(np.zeros(shape, np.uint8), [np.rint(corners).astype(np.int32)], 1) > 0


def _hips(rest_px: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Right and left hip [2, 2]: as seen, or where an adult's are below the shoulders."""
    seen = is_visible(score[[RIGHT_HIP, LEFT_HIP]])
    right, left = rest_px[RIGHT_SHOULDER], rest_px[LEFT_SHOULDER]
    across = left - right
    below = np.array([-across[1], across[0]]) * 1.4  # torso length over shoulder width
    guess = np.stack([right + below + 0.15 * across, left + below - 0.15 * across])
    return np.where(seen.all(), rest_px[[RIGHT_HIP, LEFT_HIP]], guess)
