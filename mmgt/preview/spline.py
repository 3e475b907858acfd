"""The thin-plate spline (Bookstein 1989) through the controls, and the backward map that it gives for cv2.remap."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import BROWS, CHIN, FACE, in_face
from .bands import Between, go_on

BODY_GRID, FACE_GRID = 32, 48  # cells of the backward maps: 16 px at 512; the face's is fine enough for eyelids


def thin_plate(target: np.ndarray, values: np.ndarray, stiffness: np.ndarray) -> np.ndarray:
    """Coefficients [N + 3, 2] of the smoothing spline through values [N, 2] at points target [N, 2].

    stiffness: [N], 0 passes exactly through (Wahba 1990). All zero values give an exactly zero spline.
    """
    n = len(target)
    squared = ((target[:, None] - target[None]) ** 2).sum(axis=-1)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = squared * np.log(squared + 1e-12) + np.diag(stiffness)
    system[:n, n] = system[n, :n] = 1
    system[:n, n + 1 :] = target
    system[n + 1 :, :n] = target.T
    return np.linalg.solve(system, np.vstack([values, np.zeros((3, 2))]))


def evaluate_spline(coefficients: np.ndarray, target: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """The spline on the grid xs [w], ys [h]: [h, w, 2] float32."""
    n = len(target)
    squared = ((ys[:, None] - target[:, 1]) ** 2)[:, None] + ((xs[:, None] - target[:, 0]) ** 2)[None]
    squared = squared.astype(np.float32)  # [h, w, N]
    kernel = squared * np.log(squared + np.float32(1e-12))
    flow = kernel.reshape(-1, n) @ coefficients[:n].astype(np.float32)
    plane = coefficients[n] + xs[None, :, None] * coefficients[n + 1] + ys[:, None, None] * coefficients[n + 2]
    return flow.reshape(len(ys), len(xs), 2) + plane.astype(np.float32)


def backward_map(
    rest: np.ndarray,
    target: np.ndarray,
    stiffness: np.ndarray,
    face: np.ndarray,
    height_px: int,
    width_px: int,
    between: Between = go_on,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where every pixel of the new picture comes from, by the spline that takes target back to rest.

    rest, target: [N, 2] controls in pixels, the 68 face points first. stiffness: [N]. face: [68, 2], the box that gets
    the finer grid. Returns (map_x, map_y [H, W] float32 for cv2.remap, drift [BODY_GRID, BODY_GRID] float32, how far
    the coarse grid's cells move in pixels).
    """
    import cv2

    centre = rest[: len(FACE)].mean(axis=0)
    unit_px = max(float(np.hypot(*(rest[CHIN - FACE.start] - rest[in_face(BROWS)].mean(axis=0)))), 1.0)
    points = (target - centre) / unit_px
    coefficients = thin_plate(points, rest - target, stiffness)

    def flow(x0: int, y0: int, x1: int, y1: int, cells: int) -> np.ndarray:
        xs = x0 + (np.arange(cells) + 0.5) * (x1 - x0) / cells - 0.5  # the centres that cv2.resize assumes
        ys = y0 + (np.arange(cells) + 0.5) * (y1 - y0) / cells - 0.5
        limit_px = 2.0 * max(height_px, width_px)
        raw = evaluate_spline(coefficients, points, (xs - centre[0]) / unit_px, (ys - centre[1]) / unit_px)
        return np.clip(np.nan_to_num(raw), -limit_px, limit_px)

    coarse = flow(0, 0, width_px, height_px, BODY_GRID)
    full = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    between()
    margin_px = 0.15 * unit_px
    x0, y0 = np.clip(face.min(axis=0) - margin_px, 0, [width_px, height_px]).astype(int)
    x1, y1 = np.clip(face.max(axis=0) + margin_px, 0, [width_px, height_px]).astype(int)
    if x1 - x0 > 1 and y1 - y0 > 1:
        size = int(x1 - x0), int(y1 - y0)
        full[y0:y1, x0:x1] = cv2.resize(flow(x0, y0, x1, y1, FACE_GRID), size, interpolation=cv2.INTER_LINEAR)
    map_x, map_y = cv2.split(full)
    between()
    map_x += np.arange(width_px, dtype=np.float32)
    map_y += np.arange(height_px, dtype=np.float32)[:, None]
    return map_x, map_y, np.hypot(coarse[..., 0], coarse[..., 1])
