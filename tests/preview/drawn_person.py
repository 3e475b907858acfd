"""A drawn person whose every pose can be drawn again."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import FACE, LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND

SIDE_PX = 320
SKIN, SLEEVE, SHIRT, HAIR = (225, 180, 150), (190, 70, 60), (60, 90, 160), (60, 40, 30)


def drawn_pose() -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [134, 2] in pixels and scores [134] of a frontal person with both arms in sight."""
    xy, score = np.zeros((NUM_KEYPOINTS, 2)), np.zeros(NUM_KEYPOINTS)
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([30 * np.cos(angle), 40 * np.sin(angle)], 1)
    brows = np.array(
        [
            [x, -14 - 2 * (i in (1, 2, 3))]
            for side in (-1, 1)
            for i, x in enumerate(sorted(side * v for v in (5, 9, 13, 17, 21)))
        ]
    )
    nose = np.array([[0, -6], [0, 0], [0, 5], [0, 10], [-5, 13], [-2.5, 14], [0, 15], [2.5, 14], [5, 13]])
    eye = np.array([[-6, 0], [-2, -3], [2, -3], [6, 0], [2, 3], [-2, 3]])
    outer = np.array(
        [
            [-12, 23],
            [-8, 21],
            [-3, 20],
            [0, 20.5],
            [3, 20],
            [8, 21],
            [12, 23],
            [8, 26],
            [3, 28],
            [0, 28],
            [-3, 28],
            [-8, 26],
        ]
    )
    inner = np.array([[-9, 23], [-4, 23], [0, 23], [4, 23], [9, 23], [4, 24], [0, 24], [-4, 24]])
    right_eye, left_eye = eye - np.array([13, 5]), eye + np.array([13, -5])
    face = np.vstack([jaw, brows, nose, right_eye, left_eye, outer, inner])
    xy[FACE.start : FACE.stop] = face + np.array([160, 75])
    score[FACE.start : FACE.stop] = 1
    body = {
        0: (160, 85),
        1: (160, 140),
        2: (115, 147),
        3: (88, 210),
        4: (125, 255),
        5: (205, 147),
        6: (232, 210),
        7: (195, 255),
        8: (133, 285),
        11: (187, 285),
        14: (147, 70),
        15: (173, 70),
        16: (130, 75),
        17: (190, 75),
    }
    for i, place in body.items():
        xy[i], score[i] = place, 1
    for hand, elbow, wrist in ((RIGHT_HAND, 3, 4), (LEFT_HAND, 6, 7)):
        along = (xy[wrist] - xy[elbow]) / np.hypot(*(xy[wrist] - xy[elbow]))
        across = np.array([-along[1], along[0]])
        fingers = [
            xy[wrist] + along * (8 + 6 * joint) + across * (finger - 2) * 4.5
            for finger in range(5)
            for joint in range(4)
        ]
        xy[hand.start : hand.stop] = np.vstack([xy[wrist], *fingers])
        score[hand.start : hand.stop] = 1
    return xy.astype(np.float32), score.astype(np.float32)


def draw(xy: np.ndarray, *, person_only: bool = False) -> np.ndarray:
    """The person in any pose [H, W, 3] uint8; person_only: white on black, as a mask."""
    smooth = 4
    blobs = np.random.default_rng(5).integers(150, 230, (6, 6, 1)).astype(np.uint8).repeat(3, 2)
    canvas = cv2.resize(blobs, (SIDE_PX * smooth,) * 2, interpolation=cv2.INTER_CUBIC)
    for x in range(0, SIDE_PX, 40):
        cv2.line(canvas, (x * smooth, 0), (x * smooth, SIDE_PX * smooth), (90, 120, 90), 2 * smooth)
    canvas *= not person_only
    q = xy * smooth

    def colour(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
        return (255, 255, 255) if person_only else rgb

    def line(a: np.ndarray, b: np.ndarray, rgb: tuple[int, int, int], width: float) -> None:
        cv2.line(
            canvas, np.rint(a).astype(int).tolist(), np.rint(b).astype(int).tolist(), colour(rgb), int(width * smooth)
        )

    def area(points: np.ndarray, rgb: tuple[int, int, int]) -> None:
        cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], colour(rgb))

    lap = np.array([0, 100 * smooth])
    area(np.array([q[2], q[5], q[11], q[11] + lap, q[8] + lap, q[8]]), SHIRT)
    for t in (0.2, 0.4, 0.6, 0.8):
        line((1 - t) * q[2] + t * q[5], (1 - t) * q[8] + t * q[11], (100, 140, 200), 3)
    line(q[1], q[0], SKIN, 22)
    face = q[FACE.start : FACE.stop]
    middle, size = 0.5 * (face[8] + face[27]), float(np.hypot(*(face[8] - face[27])))
    cv2.circle(
        canvas, np.rint(middle + 0.25 * (face[27] - face[8])).astype(int).tolist(), int(0.95 * size), colour(HAIR), -1
    )
    area(cv2.convexHull(face[:27].astype(np.float32))[:, 0], SKIN)
    for part in (slice(36, 42), slice(42, 48)):
        area(face[part], (240, 240, 240))
    area(face[48:60], (190, 80, 80))
    for a, b, c, hand in ((2, 3, 4, RIGHT_HAND), (5, 6, 7, LEFT_HAND)):
        line(q[a], q[b], SLEEVE, 20)
        line(q[b], q[c], SLEEVE, 18)
        for t in (0.3, 0.6):
            line(q[b] + t * (q[c] - q[b]), q[b] + (t + 0.08) * (q[c] - q[b]), (250, 220, 90), 12)
        line(q[c], q[hand[9]], SKIN, 12)
        for finger in range(5):
            line(q[hand[1 + 4 * finger]], q[hand[4 + 4 * finger]], SKIN, 4)
    return cv2.resize(canvas, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def turned(points: np.ndarray, about: np.ndarray, degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (points - about) @ np.array([[cos, sin], [-sin, cos]]) + about


def gesture(xy: np.ndarray, amount: float) -> np.ndarray:
    """Both arms out, the head to one side; amount 0 is rest."""
    moved = xy.copy()
    for shoulder, elbow, wrist, hand, side in ((2, 3, 4, RIGHT_HAND, 1), (5, 6, 7, LEFT_HAND, -1)):
        for chain, joint, degrees in (([elbow, wrist, *hand], shoulder, 25), ([wrist, *hand], elbow, 50)):
            moved[chain] = turned(moved[chain], moved[joint], side * degrees * amount)
    head = [0, 14, 15, 16, 17, *FACE]
    moved[head] = turned(moved[head], xy[1], 5 * amount)
    return moved.astype(np.float32)


def open_mouth(xy: np.ndarray, gap_px: float) -> np.ndarray:
    moved = xy.copy()
    moved[[24 + i for i in (*range(55, 60), 65, 66, 67, *range(6, 11))], 1] += gap_px
    return moved


def as_pose(xy: np.ndarray, score: np.ndarray, height_px: int = SIDE_PX, width_px: int = SIDE_PX) -> PoseSequence:
    xy, score = np.atleast_3d(xy).reshape(-1, NUM_KEYPOINTS, 2), score.reshape(-1, NUM_KEYPOINTS)
    points = torch.from_numpy(np.ascontiguousarray(xy))
    return PoseSequence.from_pixels(
        points, torch.from_numpy(score).expand(len(xy), -1), height_px=height_px, width_px=width_px
    )


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)
