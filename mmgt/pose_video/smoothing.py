"""Jitter out of a track of points, without delay.

The rule is the One-Euro filter's (Casiez et al., CHI 2012): where a point is still it is smoothed much, where it moves
fast it is smoothed little. That filter knows only the past and so lags; here the whole track is known, and the filter
is a Gaussian whose width differs from frame to frame: it looks as far ahead as back, which delays nothing. What one
Gaussian takes away is smoothed once more and given back ("twicing", Tukey 1977), which keeps the turning points of a
motion.
"""

from __future__ import annotations

import numpy as np

WIDEST_S, NARROWEST_S = 0.12, 0.028  # the Gaussian's deviation where a point is still, and where it is fast
HALF_SPEED_PER_S = 0.03  # sizes of the person per second at which it is halfway between
NUM_WIDTHS = 13  # Gaussians that are computed, evenly up to the widest; between them it is interpolated
SPEED_FRAMES, STEADY_FRAMES = 1.0, 2.0  # Gaussians that speed is measured with and then steadied by
JITTER_SPEED = 0.376  # px/frame that jitter of 1 px adds to a speed measured with SPEED_FRAMES = 1
SURELY_JITTER = 1.5  # speeds up to this many times of what jitter makes count as standing still
THIRD_DIFFERENCE = 20**0.5  # deviation of the third difference of jitter of 1
MEDIAN_DEVIATION = 0.6745  # median of the absolute value of a normal variable of deviation 1


def smooth(points_px: np.ndarray, fps: float, size_px: float, strength: float | np.ndarray = 1.0) -> np.ndarray:
    """points_px: [T, K, 2] -> the same points with less jitter.

    size_px: the person's size, in which speed is measured. strength: one number or one a point [K]: 0 = as they are,
    1 = usual; the Gaussian's width is multiplied by it. A motion at constant speed stays exactly as it is.
    """
    scale = np.broadcast_to(np.asarray(strength, dtype=np.float64), points_px.shape[1:2]) * fps  # [K] frames/s
    if len(points_px) < 2 or not scale.any():
        return points_px.copy()
    speed = _speed(points_px, fps) / size_px  # [T, K] sizes per second
    width = scale * (NARROWEST_S + (WIDEST_S - NARROWEST_S) / (1 + speed / HALF_SPEED_PER_S))  # [T, K] frames
    widths = np.linspace(0, width.max(), NUM_WIDTHS)
    place = np.interp(width, widths, np.arange(len(widths)))
    smoothed = np.zeros_like(points_px)
    for i, frames in enumerate(widths):
        share = (1 - np.abs(place - i)).clip(min=0)[..., None]  # [T, K, 1]
        if share.any():
            once = _gaussian(points_px, frames)
            smoothed += share * (once + _gaussian(points_px - once, frames))
    return smoothed


def _speed(points_px: np.ndarray, fps: float) -> np.ndarray:
    """[T, K] px/s without what jitter adds to it."""
    velocity = np.gradient(_gaussian(points_px, SPEED_FRAMES), axis=0)  # [T, K, 2] px/frame
    jitter = np.zeros(points_px.shape[1:])  # [K, 2] px
    if len(points_px) > 3:
        differences = np.abs(np.diff(points_px, n=3, axis=0))
        jitter = np.median(differences, axis=0) / MEDIAN_DEVIATION / THIRD_DIFFERENCE
    by_jitter = (SURELY_JITTER * JITTER_SPEED * jitter) ** 2
    moving = _gaussian((velocity**2).sum(axis=-1), STEADY_FRAMES)  # [T, K]
    return np.sqrt((moving - by_jitter.sum(axis=-1)).clip(min=0)) * fps


def _gaussian(track: np.ndarray, frames: float) -> np.ndarray:
    """A track [T, ...] under a Gaussian of that deviation. At its ends it goes on point-symmetrically."""
    from scipy.ndimage import gaussian_filter1d

    if frames <= 0:
        return track
    margin = int(4 * frames) + 1
    padding = [(margin, margin), *[(0, 0)] * (track.ndim - 1)]
    longer = np.pad(track, padding, mode="reflect", reflect_type="odd")
    return gaussian_filter1d(longer, frames, axis=0)[margin:-margin]
