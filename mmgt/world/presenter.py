"""A presenter nobody is: a random person's proportions and the pose that they stand in, as 134 keypoints."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..poses import PoseSequence
from ..poses.skeleton import FACE, LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND

SIDE_PX = 512
# A flat hand's points in shares of its length: along from the wrist, across towards the thumb.
FINGERS = (
    ((0.17, 0.13), (0.34, 0.27), (0.49, 0.36), (0.61, 0.42)),  # thumb
    ((0.50, 0.15), (0.70, 0.19), (0.83, 0.21), (0.93, 0.22)),
    ((0.53, 0.05), (0.76, 0.06), (0.90, 0.065), (1.0, 0.065)),
    ((0.51, -0.05), (0.71, -0.07), (0.85, -0.08), (0.95, -0.085)),
    ((0.46, -0.14), (0.60, -0.19), (0.70, -0.22), (0.78, -0.24)),  # little finger
)
EYE = ((-0.24, 0), (-0.09, -0.1), (0.09, -0.1), (0.24, 0), (0.09, 0.09), (-0.09, 0.09))


def presenter(seed: int, side_px: int = SIDE_PX) -> PoseSequence:
    """The standing pose of a person that the seed decides: one frame, side_px x side_px, everything visible.

    Head, shoulders, arms and hands lie inside of the picture, hips at its lower edge, legs below it. Lips are closed.
    """
    rng = np.random.default_rng(seed)
    eye_px = side_px * rng.uniform(0.06, 0.07)  # distance of the eyes: the unit of the face
    shoulder_px = eye_px * rng.uniform(2.6, 3.0)  # half of the shoulders' width
    centre = np.array([side_px * rng.uniform(0.46, 0.54), side_px * rng.uniform(0.18, 0.22)])  # between the eyes
    xy_px = np.zeros((NUM_KEYPOINTS, 2))
    _face(xy_px, centre, eye_px, rng)
    neck = centre + np.array([0, eye_px * rng.uniform(2.65, 2.95)])
    xy_px[1] = neck
    hip_y = neck[1] + shoulder_px * rng.uniform(2.6, 2.9)
    forearms_deg = rng.permutation([rng.uniform(-55, -30), rng.uniform(-90, -60)])  # one lower than the other
    hand_px = eye_px * rng.uniform(2.1, 2.4)
    for side, shoulder, hip, hand, fore_deg in (
        (-1, 2, 8, RIGHT_HAND, forearms_deg[0]),
        (1, 5, 11, LEFT_HAND, forearms_deg[1]),
    ):
        upper_px, fore_px = shoulder_px * rng.uniform(1.2, 1.32), shoulder_px * rng.uniform(0.9, 1.05)
        upper_deg, bent_deg = rng.uniform(12, 26), rng.uniform(-18, 10)  # from straight down, outwards positive
        xy_px[shoulder] = neck + np.array([side * shoulder_px, eye_px * 0.15])
        xy_px[shoulder + 1] = xy_px[shoulder] + upper_px * _direction(side, upper_deg)
        xy_px[shoulder + 2] = xy_px[shoulder + 1] + fore_px * _direction(side, fore_deg)
        _hand(xy_px, hand, xy_px[shoulder + 2], _direction(side, fore_deg + bent_deg), hand_px, side)
        for joint, drop in enumerate((0.0, 1.6, 3.1)):
            xy_px[hip + joint] = (neck[0] + side * shoulder_px * 0.62, hip_y + drop * shoulder_px)
    for toe, ankle in ((18, 13), (21, 10)):
        xy_px[toe : toe + 3] = xy_px[ankle] + eye_px * np.array([(0.4, 0.5), (0.6, 0.4), (-0.2, 0.3)])
    score = torch.ones(1, NUM_KEYPOINTS)
    return PoseSequence.from_pixels(torch.from_numpy(xy_px)[None], score, height_px=side_px, width_px=side_px)


def _direction(side: int, degrees: float) -> np.ndarray:
    """Unit vector ``degrees`` from straight down, outwards on a person's side (-1 = picture's left)."""
    return np.array([side * math.sin(math.radians(degrees)), math.cos(math.radians(degrees))])


def _hand(xy_px: np.ndarray, hand: range, wrist: np.ndarray, along: np.ndarray, length_px: float, side: int) -> None:
    """The back of the hand is seen, the thumb is above: along and across as of FINGERS."""
    across = side * np.array([along[1], -along[0]])
    xy_px[hand.start] = wrist
    fingers = np.array(FINGERS).reshape(-1, 2)
    xy_px[hand.start + 1 : hand.stop] = wrist + length_px * fingers @ np.stack([along, -across])


def _face(xy_px: np.ndarray, centre: np.ndarray, eye_px: float, rng: np.random.Generator) -> None:
    """Nose, eyes and ears of the body, and the 68 points of the face: in eye distances from between the eyes."""
    chin, jaw, brow = rng.uniform(1.65, 1.9), rng.uniform(1.1, 1.25), rng.uniform(0.32, 0.42)
    mouth_y, mouth, lip = rng.uniform(1.02, 1.1), rng.uniform(0.36, 0.44), rng.uniform(0.09, 0.14)
    angles = np.linspace(math.pi, 0, 17)
    face = [np.stack([jaw * np.cos(angles), 0.15 + (chin - 0.15) * np.sin(angles)], axis=1)]  # jaw
    arch = -brow - 0.1 * np.sin(np.linspace(0.3, math.pi, 5))
    left_brow = np.stack([np.linspace(-0.82, -0.2, 5), arch], axis=1)
    face += [left_brow, left_brow[::-1] * (-1, 1)]
    face.append(np.stack([np.zeros(4), np.linspace(0.06, 0.52, 4)], axis=1))  # bridge of the nose
    face.append(np.stack([np.linspace(-0.22, 0.22, 5), [0.62, 0.66, 0.68, 0.66, 0.62]], axis=1))  # its base
    for x in (-0.5, 0.5):
        face.append(np.array(EYE) + np.array([x, 0]))
    upper = -lip * np.array([0, 0.7, 1, 0.85, 1, 0.7, 0])
    lower = lip * np.array([0.75, 1.15, 1.25, 1.15, 0.75])
    outer = [
        *zip(np.linspace(-mouth, mouth, 7), upper, strict=True),
        *zip(np.linspace(0.67, -0.67, 5) * mouth, lower, strict=True),
    ]
    smile = rng.uniform(0.02, 0.07)  # corners above the middle
    curve = np.array(outer)
    curve[:, 1] += smile * (0.4 - (curve[:, 0] / mouth) ** 2)
    face.append(curve + np.array([0, mouth_y]))
    inner = np.linspace(-0.85, 0.85, 5) * mouth
    inner = np.r_[inner, inner[3:0:-1]]
    face.append(np.stack([inner, mouth_y + smile * (0.4 - (inner / mouth) ** 2)], axis=1))
    points = np.concatenate(face)

    xy_px[FACE] = centre + eye_px * points
    for idx, place in ((0, (0, 0.58)), (14, (-0.5, 0)), (15, (0.5, 0)), (16, (-1.15, 0.12)), (17, (1.15, 0.12))):
        xy_px[idx] = centre + eye_px * np.array(place)
