"""A presenter nobody is: a random person's proportions and the pose that they stand in, as 134 keypoints."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..poses import PoseSequence
from ..skeleton import LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND

SIDE_PX = 512
FINGER_SPREAD_DEG = (-34.0, -14.0, -2.0, 10.0, 22.0)  # thumb to little finger, from the forearm's direction
FINGER_LENGTHS = (0.55, 0.85, 0.95, 0.88, 0.7)  # of a hand's length
EYE = ((-0.24, 0), (-0.09, -0.1), (0.09, -0.1), (0.24, 0), (0.09, 0.09), (-0.09, 0.09))
JOINT_SHARES = (0.45, 0.68, 0.86, 1.0)  # where a finger's joints lie on its length


def presenter(seed: int, side_px: int = SIDE_PX) -> PoseSequence:
    """The standing pose of a person that the seed decides: one frame, side_px x side_px, everything visible.

    Head, shoulders, arms and hands lie inside of the picture, hips at its lower edge, legs below it. Lips are closed.
    """
    rng = np.random.default_rng(seed)
    eye_px = side_px * rng.uniform(0.055, 0.068)  # distance of the eyes: the unit of the face
    shoulder_px = eye_px * rng.uniform(2.6, 3.1)  # half of the shoulders' width
    centre = np.array([side_px * rng.uniform(0.46, 0.54), side_px * rng.uniform(0.19, 0.24)])  # between the eyes
    xy_px = np.zeros((NUM_KEYPOINTS, 2))
    _face(xy_px, centre, eye_px, rng)
    neck = centre + np.array([0, eye_px * rng.uniform(2.2, 2.6)])
    xy_px[1] = neck
    hip_y = neck[1] + shoulder_px * rng.uniform(2.6, 2.9)
    for side, shoulder, hip, hand in ((-1, 2, 8, RIGHT_HAND), (1, 5, 11, LEFT_HAND)):
        upper_px, fore_px = shoulder_px * rng.uniform(1.25, 1.4), shoulder_px * rng.uniform(1.1, 1.25)
        upper_deg, fore_deg = rng.uniform(8, 22), rng.uniform(-75, -25)  # from straight down, outwards positive
        xy_px[shoulder] = neck + np.array([side * shoulder_px, eye_px * 0.15])
        xy_px[shoulder + 1] = xy_px[shoulder] + upper_px * _direction(side, upper_deg)
        xy_px[shoulder + 2] = xy_px[shoulder + 1] + fore_px * _direction(side, fore_deg)
        _hand(xy_px, hand, xy_px[shoulder + 2], _direction(side, fore_deg), eye_px * rng.uniform(1.5, 1.8), side)
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
    xy_px[hand.start] = wrist
    for finger, (spread_deg, share) in enumerate(zip(FINGER_SPREAD_DEG, FINGER_LENGTHS, strict=True)):
        turn = math.radians(spread_deg) * side
        ray = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ along
        first = hand.start + 1 + 4 * finger
        xy_px[first : first + 4] = wrist + length_px * share * np.outer(JOINT_SHARES, ray)


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
    face.append(np.array(outer) + np.array([0, mouth_y]))
    inner = np.linspace(-0.85, 0.85, 5) * mouth
    face.append(np.stack([np.r_[inner, inner[3:0:-1]], np.zeros(8)], axis=1) + np.array([0, mouth_y]))
    points = np.concatenate(face)

    xy_px[24:92] = centre + eye_px * points
    for idx, place in ((0, (0, 0.58)), (14, (-0.5, 0)), (15, (0.5, 0)), (16, (-1.15, 0.12)), (17, (1.15, 0.12))):
        xy_px[idx] = centre + eye_px * np.array(place)
