"""Lips, lids and brows: face [T, 134, 2] float64, right and down in the face's own axes, changed in place.

Lengths are in face units: the distance between the eyes (63 mm of an adult).
"""

from __future__ import annotations

import numpy as np

from ..poses import POSE_FPS
from ..poses.lips import LIP_COLUMNS, OUTER_LIP_FOLLOWS
from ..poses.skeleton import BROWS, JAW, LEFT_EYE, LIPS, NUM_KEYPOINTS, RIGHT_EYE
from .cues import SpeechCues
from .timing import choose_beats, ease_in, pulses, times

MAX_LIP_GAP = 0.22  # 14 mm: a clear open vowel in a talk; laughing and shouting open further
LIP_ROUNDING, LIP_SPREADING = 0.16, 0.09  # share of the mouth's width lost in "oo" and gained in "ee"
# How the 20 lip points share the gap along the face's down axis: the jaw carries the lower lip, the upper hardly lifts.
OUTER_LIP_SHARES = (0.10, -0.08, -0.20, -0.25, -0.20, -0.08, 0.10, 0.35, 0.60, 0.70, 0.60, 0.35)
INNER_LIP_SHARES = (0.10, -0.18, -0.25, -0.18, 0.10, 0.55, 0.75, 0.55)  # the middle pair shares 1: the gap itself
CHIN_SHARE, JAW_FALLOFF_POINTS = 0.7, 3.5  # the chin falls nearly with the lower lip, the jaw's ends stay
LIP_EASE_IN_S = 0.2  # speech may begin at once

BLINK_REFRACTORY_S, BLINK_MEAN_EXTRA_S, BLINK_MAX_EXTRA_S = 2.0, 1.6, 4.0  # 2 to 6 s apart, as in conversation
BLINK_PROFILE_S = (-0.09, 0.0, 0.03, 0.20)  # starts, closed, opens, open again: lids fall faster than they rise
PAUSE_REACH_S = 0.6  # a blink this near to the start of a pause waits or hurries for it

BROW_RAISE = 0.09  # 6 mm


def move_lips(face: np.ndarray, cues: SpeechCues, amplitude: float) -> None:
    """Close the lips of the still, then open and shape them with the speech; the jaw falls with them.

    face: [T, 134, 2] face units, changed in place; its frame 0 is the still. amplitude: 0..2, 1 is natural.
    """
    lips, rest = list(LIPS), face[0].copy()
    closing, opening = np.zeros((NUM_KEYPOINTS, 2)), np.zeros(NUM_KEYPOINTS)
    for upper, lower, upper_outer, lower_outer in LIP_COLUMNS:
        meeting = (rest[upper] + rest[lower]) / 2
        closing[upper], closing[lower] = meeting - rest[upper], meeting - rest[lower]
        closing[upper_outer, 1] = OUTER_LIP_FOLLOWS * closing[upper, 1]
        closing[lower_outer, 1] = OUTER_LIP_FOLLOWS * closing[lower, 1]
    opening[lips] = OUTER_LIP_SHARES + INNER_LIP_SHARES
    from_chin = np.arange(len(JAW)) - len(JAW) // 2
    opening[list(JAW)] = CHIN_SHARE * np.exp(-0.5 * (from_chin / JAW_FALLOFF_POINTS) ** 2)

    ease = ease_in(len(face), LIP_EASE_IN_S)
    face += (min(amplitude, 1.0) * ease)[:, None, None] * closing
    face[:, :, 1] += (amplitude * MAX_LIP_GAP * ease * cues.opening)[:, None] * opening
    widening = np.where(cues.spread > 0, LIP_SPREADING, LIP_ROUNDING) * cues.spread * amplitude * ease
    middle = rest[lips, 0].mean()
    face[:, lips, 0] += widening[:, None] * (face[:, lips, 0] - middle)


def blink(face: np.ndarray, cues: SpeechCues, rng: np.random.Generator, amplitude: float) -> None:
    """Close and open the lids every few seconds, rather where speech stops.

    face: [T, 134, 2] face units, changed in place. amplitude: 0..2; from 1 on the lids close wholly.
    """
    closed = _blinks(cues, rng) * min(amplitude, 1.0)
    for eye in (RIGHT_EYE, LEFT_EYE):
        corner = eye.start
        for upper, lower in ((corner + 1, corner + 5), (corner + 2, corner + 4)):
            way = closed[:, None] * (face[:, lower] - face[:, upper])
            face[:, upper] += 0.85 * way  # the upper lid does most of the way
            face[:, lower] -= 0.15 * way


def _blinks(cues: SpeechCues, rng: np.random.Generator) -> np.ndarray:
    """[T] 0 open .. 1 closed."""
    seconds = times(len(cues.opening))
    pauses_s = cues.pause_starts / POSE_FPS
    closed = np.zeros_like(seconds)
    blink_s = rng.uniform(0.8, 3.5)  # the still's eyes are open
    while blink_s < seconds[-1]:
        near = pauses_s[np.abs(pauses_s - blink_s) < PAUSE_REACH_S]
        if len(near):
            blink_s = near[0]
        closed = np.maximum(closed, np.interp(seconds - blink_s, BLINK_PROFILE_S, (0, 1, 1, 0)))
        blink_s += BLINK_REFRACTORY_S + min(rng.exponential(BLINK_MEAN_EXTRA_S), BLINK_MAX_EXTRA_S)
        blink_s += PAUSE_REACH_S if len(near) else 0.0  # never drawn back to the same pause
    return closed * ease_in(len(closed), LIP_EASE_IN_S)


def raise_brows(face: np.ndarray, cues: SpeechCues, rng: np.random.Generator, amplitude: float) -> None:
    """Raise the brows with some of the emphasised syllables.

    face: [T, 134, 2] face units, changed in place. amplitude: 0..2, 1 is natural.
    """
    frames, heights = choose_beats(cues, rng, spacing_s=1.2, share=0.5)
    raised = np.minimum(pulses(len(face), frames, heights, 0.12), 1.2) * ease_in(len(face))  # [T] 0..1.2
    face[:, list(BROWS), 1] -= BROW_RAISE * amplitude * raised[:, None]
