"""When things move: drivers [T] float64, one value per video frame, for any part of the person."""

from __future__ import annotations

import math

import numpy as np

from ..poses import POSE_FPS
from .cues import SpeechCues

VOWEL_AFTER_ONSET_S = 0.08  # a syllable's onset is the start of its rise; a beat is felt in the vowel
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
    """The accents that a region answers: frames [N] int64, in their vowels, and heights [N] 0.3..1.2.

    An accent is the strongest onset among its neighbours: onsets are taken from the strongest to the weakest, each at
    least spacing_s from all that were taken before. share is the chance, 0..1, of an accent of middling strength to be
    answered: the strong are likelier.
    """
    draws = rng.uniform((0.0, 0.7), (1.0, 1.2), (len(cues.onset_frames), 2))  # for every onset: no choice shifts others
    taken: list[int] = []
    for idx in np.argsort(-cues.onset_strength, kind="stable"):
        if all(abs(cues.onset_frames[idx] - cues.onset_frames[other]) >= spacing_s * POSE_FPS for other in taken):
            taken.append(idx)
    answered = [idx for idx in sorted(taken) if draws[idx, 0] < share * (0.5 + cues.onset_strength[idx])]
    heights = draws[answered, 1] * (0.45 + 0.55 * cues.onset_strength[answered])
    frames = cues.onset_frames[answered].astype(np.int64) + round(VOWEL_AFTER_ONSET_S * POSE_FPS)
    return frames[frames < len(cues.opening)], heights[frames < len(cues.opening)]


def pulses(num_frames: int, frames: np.ndarray, heights: np.ndarray, width_s: float) -> np.ndarray:
    """[T]: Gaussians at the given frames [N], of the given heights [N] (any unit) and sigma width_s; neighbours add up.

    Of a frame outside of 0..T-1 nothing is left.
    """
    from scipy.ndimage import gaussian_filter1d

    train, inside = np.zeros(num_frames), (frames >= 0) & (frames < num_frames)
    np.add.at(train, frames[inside], heights[inside])
    sigma = width_s * POSE_FPS
    return gaussian_filter1d(train, sigma, mode="constant") * sigma * math.sqrt(2 * math.pi)
