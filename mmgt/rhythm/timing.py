"""When things move: drivers [T] float64, one value per video frame, for any part of the person."""

from __future__ import annotations

import math

import numpy as np

from ..poses import POSE_FPS
from .cues import SpeechCues

EASE_IN_S = 1.0  # frame 0 is the initial pose; body and head set off from it


def times(num_frames: int) -> np.ndarray:
    """[T] seconds from the first frame."""
    return np.arange(num_frames) / POSE_FPS


def ease_in(num_frames: int, seconds: float = EASE_IN_S) -> np.ndarray:
    """[T] 0 at frame 0, 1 from ``seconds`` on, without a jerk."""
    share = np.clip(times(num_frames) / seconds, 0, 1)
    return share * share * (3 - 2 * share)


def sway(num_frames: int, rng: np.random.Generator, band_hz: tuple[float, float]) -> np.ndarray:
    """[T] noise of the rates band_hz (lowest, highest), root mean square 1, within +-3.2.

    Five sines of drawn rates and phases: bounded, so nothing drifts.
    """
    rates_hz, phases = rng.uniform(*band_hz, 5), rng.uniform(0, 2 * np.pi, 5)
    return np.sin(2 * np.pi * rates_hz * times(num_frames)[:, None] + phases).sum(axis=1) * math.sqrt(2 / 5)


def choose_beats(
    cues: SpeechCues, rng: np.random.Generator, *, spacing_s: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """The onsets that a region answers: frames [N] int64 and heights [N] 0.3..1.2.

    Beats are at least spacing_s apart; share is the chance, 0..1, of an onset of middling strength: the strong are
    likelier.
    """
    frames, heights, last = [], [], -math.inf
    for frame, strength in zip(cues.onset_frames, cues.onset_strength, strict=True):
        chance, height = rng.random(), rng.uniform(0.7, 1.2)  # drawn for every onset: no choice shifts the next
        if frame - last >= spacing_s * POSE_FPS and chance < share * (0.5 + strength):
            frames.append(frame)
            heights.append(height * (0.45 + 0.55 * strength))
            last = frame
    return np.array(frames, dtype=np.int64), np.array(heights, dtype=np.float64)


def pulses(num_frames: int, frames: np.ndarray, heights: np.ndarray, width_s: float) -> np.ndarray:
    """[T]: Gaussians at the given frames [N], of the given heights [N] (any unit) and sigma width_s; neighbours add up.

    Of a frame outside of 0..T-1 nothing is left.
    """
    from scipy.ndimage import gaussian_filter1d

    train, inside = np.zeros(num_frames), (frames >= 0) & (frames < num_frames)
    np.add.at(train, frames[inside], heights[inside])
    sigma = width_s * POSE_FPS
    return gaussian_filter1d(train, sigma, mode="constant") * sigma * math.sqrt(2 * math.pi)
