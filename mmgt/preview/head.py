"""The head around the face: what goes with the skull, and how far it may leave the shoulders."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import BROWS, CHIN, FACE, LEFT_BROW, RIGHT_BROW
from .face import EYES
from .geometry import face_height


def head_ring(rest_px: np.ndarray, matte: np.ndarray | None) -> np.ndarray:
    """Points [M, 2] that go with the skull: around hair or hat at the matte's edge, and beside the eyes.

    rest_px: [134, 2] pixels. matte: [H, W] 0..1; without it the ring lies where hair usually ends.
    """
    face = rest_px[FACE.start : FACE.stop]
    size_px = face_height(rest_px)
    chin, brows = rest_px[CHIN], rest_px[BROWS].mean(axis=0)
    up = (brows - chin) / max(size_px, 1e-6)
    side = np.array([-up[1], up[0]])
    centre = 0.5 * (chin + brows) + 0.2 * size_px * up
    points = []
    for angle in np.linspace(-0.62 * np.pi, 0.62 * np.pi, 14):
        ray = np.cos(angle) * up + np.sin(angle) * side
        reach = 1.1
        if matte is not None:
            steps = np.linspace(0.6, 1.6, 41)
            xy = np.rint(centre + steps[:, None] * size_px * ray).astype(int)
            x, y = np.clip(xy[:, 0], 0, matte.shape[1] - 1), np.clip(xy[:, 1], 0, matte.shape[0] - 1)
            outside = np.flatnonzero(matte[y, x] < 0.5)
            reach = steps[outside[0]] if len(outside) else steps[-1]
        points.append(centre + reach * size_px * ray)
    # a blink must not bend brows, glasses or cheeks: these stay with the skull
    for (inner, outer, lids), brow in zip(EYES, (rest_px[RIGHT_BROW], rest_px[LEFT_BROW]), strict=True):
        width_px = np.hypot(*(face[outer] - face[inner]))
        for up_idx, low_idx in lids:
            points.append(0.5 * (face[up_idx] + brow.mean(axis=0)))
            points.append(face[low_idx] - 0.5 * width_px * up)
    return np.array(points)


def attached_head(
    rest_px: np.ndarray, face: np.ndarray, head_b: complex, carried: np.ndarray
) -> tuple[np.ndarray, complex]:
    """Hold the head within 0.6 face heights of where the shoulders carry it: a neck does not stretch further.

    rest_px: [134, 2] pixels. face: [68, 2] and head_b, where the head would go (``face_targets``). carried: [2], the
    neck's shift. Returns both, pulled back.
    """
    rest_face = rest_px[FACE.start : FACE.stop]
    relative = face.mean(axis=0) - rest_face.mean(axis=0) - carried
    length, limit = float(np.hypot(*relative)), 0.6 * face_height(rest_px)
    pull = relative * (1 - min(1.0, limit / max(length, 1e-6)))
    return face - pull, head_b - complex(pull[0], pull[1])
