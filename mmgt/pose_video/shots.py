"""Where a video was cut, told from the pictures alone.

A cut is one step in which the picture changes much, and several times more than in the steps around it: a moving
camera or a restless picture changes as much in every step. Nor is it a cut where the old picture comes back at once,
as after a photographer's flash or a lost frame.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

THUMBNAIL_PX = 16
MIN_CHANGE = 0.06  # mean difference of two thumbnails, 1 = black to white
MIN_CHANGE_RATIO = 3.0  # of a change to the mean change around it
NEIGHBOURS = 2  # steps on either side
MAX_FLASH_FRAMES = 12


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 -> [16, 16, 3] uint8: what is compared."""
    import cv2

    return cv2.resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)


def shot_numbers(thumbnails: np.ndarray) -> np.ndarray:
    """Thumbnails [T, 16, 16, 3] of a video's frames -> the shot that each belongs to, counted from 0: [T] int."""
    is_cut = np.zeros(len(thumbnails), dtype=bool)
    changes = _change(thumbnails[1:], thumbnails[:-1])  # [T - 1], i from frame i to i + 1
    for i, change in enumerate(changes):
        around = np.concatenate([changes[max(0, i - NEIGHBOURS) : i], changes[i + 1 : i + 1 + NEIGHBOURS]])
        is_cut[i + 1] = change > max(MIN_CHANGE, MIN_CHANGE_RATIO * (around.mean() if len(around) else 0))
    cuts = np.flatnonzero(is_cut).tolist()
    for start, stop in pairwise(cuts):
        moved_on = _change(thumbnails[stop], thumbnails[start - 1])
        is_back = moved_on < max(MIN_CHANGE, changes[start - 1] / 2)
        if is_cut[start] and stop - start <= MAX_FLASH_FRAMES and is_back:
            is_cut[[start, stop]] = False
    return is_cut.cumsum()


def _change(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean difference [...] of thumbnails [..., 16, 16, 3]."""
    return np.abs(a.astype(np.int16) - b).mean(axis=(-3, -2, -1)) / 255
