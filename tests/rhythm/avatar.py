"""A person without a photo, sounds without a voice, and how lips and limbs are measured."""

from __future__ import annotations

import math

import numpy as np
import torch

from mmgt.poses import PoseSequence
from mmgt.poses import skeleton as sk
from mmgt.speech.recording import Recording


def avatar_pose(
    *,
    width_px: int = 640,
    height_px: int = 960,
    centre_px: tuple[float, float] = (320, 180),
    eyes_px: float = 60.0,
    parted_lips: bool = False,
) -> PoseSequence:
    """A frontal person with both arms and hands, eyes ``eyes_px`` apart; mouth closed or smiling with parted lips."""
    xy = np.zeros((134, 2))  # in eye distances, from between the eyes
    xy[:18] = [
        (0, 0.55),
        (0, 2.2),
        (-2.5, 2.3),
        (-3.2, 4.9),
        (-2.2, 6.9),
        (2.5, 2.3),
        (3.2, 4.9),
        (1.4, 5.9),
        (-1.6, 7.6),
        (-1.6, 11),
        (-1.6, 14),
        (1.6, 7.6),
        (1.6, 11),
        (1.6, 14),
        (-0.5, 0),
        (0.5, 0),
        (-1.2, 0.1),
        (1.2, 0.1),
    ]
    xy[18:24] = [(1.8, 14.5), (2, 14.4), (1.5, 14.2), (-1.8, 14.5), (-2, 14.4), (-1.5, 14.2)]
    angle = np.linspace(np.pi, 0, 17)
    xy[24:41] = np.stack([1.15 * np.cos(angle), 0.2 + 1.6 * np.sin(angle)], axis=1)
    xy[41:46] = [(-0.8 + 0.15 * i, -0.35 - 0.05 * math.sin(i * math.pi / 4)) for i in range(5)]
    xy[46:51] = xy[45:40:-1] * (-1, 1)
    xy[51:55] = [(0, 0.05 + 0.16 * i) for i in range(4)]
    xy[55:60] = [(-0.22 + 0.11 * i, 0.66) for i in range(5)]
    xy[60:66] = [(-0.74, 0), (-0.6, -0.09), (-0.4, -0.09), (-0.26, 0), (-0.4, 0.09), (-0.6, 0.09)]
    xy[66:72] = [(0.26, 0), (0.4, -0.09), (0.6, -0.09), (0.74, 0), (0.6, 0.09), (0.4, 0.09)]
    part = 0.1 if parted_lips else 0.003
    xy[72:84] = [
        (-0.4, 1),
        (-0.26, 0.9),
        (-0.12, 0.86),
        (0, 0.88),
        (0.12, 0.86),
        (0.26, 0.9),
        (0.4, 1),
        (0.26, 1.12 + part),
        (0.12, 1.17 + part),
        (0, 1.18 + part),
        (-0.12, 1.17 + part),
        (-0.26, 1.12 + part),
    ]
    xy[84:92] = [
        (-0.34, 1),
        (-0.13, 1 - part),
        (0, 1 - part),
        (0.13, 1 - part),
        (0.34, 1),
        (0.13, 1 + part),
        (0, 1 + part),
        (-0.13, 1 + part),
    ]
    for hand, elbow, wrist in ((sk.LEFT_HAND, 6, 7), (sk.RIGHT_HAND, 3, 4)):
        along = (xy[wrist] - xy[elbow]) / np.hypot(*(xy[wrist] - xy[elbow]))
        fingers = [(joint, finger) for finger in range(5) for joint in range(4)]
        xy[hand.start] = xy[wrist]
        for point, (joint, finger) in enumerate(fingers, start=hand.start + 1):
            turn = math.radians(16 * (finger - 2))
            ray = np.array(
                [
                    along[0] * math.cos(turn) - along[1] * math.sin(turn),
                    along[0] * math.sin(turn) + along[1] * math.cos(turn),
                ]
            )
            xy[point] = xy[wrist] + (0.8 + 0.3 * joint) * ray
    xy_px = torch.from_numpy(xy * eyes_px + np.array(centre_px))[None]
    return PoseSequence.from_pixels(xy_px, torch.ones(1, 134), height_px=height_px, width_px=width_px)


def syllables(seconds: float, rate_hz: int = 16_000, channels: int = 1, level: float = 0.3) -> Recording:
    """A buzz of 130 Hz in syllables of 0.25 s, in phrases of 2 s with 1 s of digital silence after each."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    envelope = np.abs(np.sin(np.pi * times / 0.25)) * (times % 3 < 2)
    buzz = level * envelope * np.sign(np.sin(2 * np.pi * 130 * times))
    return Recording(np.tile(buzz.astype(np.float32), (channels, 1)), rate_hz)


def silence(seconds: float) -> Recording:
    return Recording(np.zeros((1, round(seconds * 16_000)), np.float32), 16_000)


def click() -> Recording:
    recording = silence(3.2)
    recording.samples[0, 24_321] = 1.0
    return recording


def lip_gap_px(poses: PoseSequence) -> np.ndarray:
    xy_px = poses.pixels.numpy()
    return np.abs(xy_px[:, sk.LOWER_INNER_LIP, 1] - xy_px[:, sk.UPPER_INNER_LIP, 1])


def distance(xy: np.ndarray, first: int, second: int) -> np.ndarray:
    return np.hypot(*np.moveaxis(xy[..., first, :] - xy[..., second, :], -1, 0))
