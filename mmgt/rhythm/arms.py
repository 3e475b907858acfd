"""Arms and hands: lifted into gesture space while somebody speaks, beating on accents."""

from __future__ import annotations

import math

import numpy as np

from ..poses import POSE_FPS
from ..poses.skeleton import (
    LEFT_ELBOW,
    LEFT_HAND,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    RIGHT_ELBOW,
    RIGHT_HAND,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)
from .cues import SpeechCues
from .person import Person
from .timing import choose_beats, ease_in, pulses, sway

ARMS = ((RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, RIGHT_HAND), (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, LEFT_HAND))
READY_DEG = 20.0  # forearms lift into gesture space while speaking
BEAT_DEG = 22.0
# A beat of the forearm from rest: stroke, hold around the accented vowel, retraction; beats have no preparation
# (McNeill 1992). The doubled ends give it no slope there.
BEAT_TIMES_S = (-0.48, -0.40, -0.24, -0.08, 0.08, 0.40, 0.48)
BEAT_HEIGHTS = (0.0, 0.0, -0.6, -1.3, -1.3, 0.0, 0.0)
ABDUCTION_DEG = 5.0  # upper arms
WRIST_FLEX_DEG = 9.0
FINGER_SPREAD_DEG = 4.0  # per finger away from the middle one
HIDDEN_WRIST_SHARE = 0.3  # an arm whose hand is out of the picture only stirs


def move_arms(xy_px: np.ndarray, person: Person, cues: SpeechCues, rng: np.random.Generator, amplitude: float) -> None:
    """Two bones an arm, turned in the picture plane, so that limbs keep their length. A hand is rigid but its fingers.

    The arm that a beat takes is drawn; so is how much either arm takes part at all. xy_px: [T, 134, 2] float64, changed
    in place. amplitude: 0..2, 1 is natural.
    """
    num_frames = len(xy_px)
    ease = ease_in(num_frames)
    frames, heights = choose_beats(cues, rng, spacing_s=0.6, share=0.85)
    right_only, left_only, _both = rng.dirichlet((2, 2, 2))  # this speaker's habit
    draw = rng.random(len(frames))
    shares = (
        np.where((draw < right_only) | (draw >= right_only + left_only), 1.0, 0.15),
        np.where(draw >= right_only, 1.0, 0.15),
    )
    for (shoulder, elbow, wrist, hand), share in zip(ARMS, shares, strict=True):
        readiness = rng.uniform(0.5, 1.1)  # drawn for a hidden arm too: the other one must not change with it
        slow_lift, slow_abduction, slow_flex = (sway(num_frames, rng, (0.1, 0.4)) for _ in range(3))
        beat, spread = _beats(num_frames, frames, heights * share), pulses(num_frames, frames, heights * share, 0.2)
        if not person.visible[[shoulder, elbow]].all():
            continue
        strength = amplitude * ease * (1.0 if person.visible[wrist] else HIDDEN_WRIST_SHARE)
        upper_arm, forearm = person.xy_px[elbow] - person.xy_px[shoulder], person.xy_px[wrist] - person.xy_px[elbow]
        side = 1.0 if person.xy_px[shoulder, 0] >= person.xy_px[NECK, 0] else -1.0  # of the picture
        lift_sense = _lift_sense(forearm, side)
        lift = READY_DEG * readiness * cues.activity * (1 + 0.35 * slow_lift) + BEAT_DEG * beat
        lift *= strength * _bending_room(upper_arm, forearm)
        abduction = strength * ABDUCTION_DEG * (cues.activity * (0.5 + 0.4 * slow_abduction) + 0.5 * beat)
        flex = strength * WRIST_FLEX_DEG * (0.4 * cues.activity * slow_flex + beat)

        upper_turn = -side * np.deg2rad(abduction)
        fore_turn = upper_turn + lift_sense * np.deg2rad(lift)
        xy_px[:, elbow] = xy_px[:, shoulder] + rotate(upper_arm, upper_turn)
        xy_px[:, wrist] = xy_px[:, elbow] + rotate(forearm, fore_turn)
        points = list(hand)
        if person.visible[wrist] and person.mostly_visible(points):
            turns = fore_turn + lift_sense * np.deg2rad(flex)
            fanned = _spread_fingers(person.xy_px[points], strength * np.deg2rad(FINGER_SPREAD_DEG) * spread)
            xy_px[:, points] = xy_px[:, [wrist]] + rotate(fanned - person.xy_px[wrist], turns[:, None])
        else:  # no hand to turn: its points keep their distance from the wrist
            xy_px[:, points] += xy_px[:, [wrist]] - person.xy_px[wrist]


def _beats(num_frames: int, frames: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """[T]: the smooth movement BEAT_TIMES_S, BEAT_HEIGHTS for each beat; neighbours add up."""
    from scipy.interpolate import PchipInterpolator

    reach = round(BEAT_TIMES_S[-1] * POSE_FPS)
    movement = PchipInterpolator(BEAT_TIMES_S, BEAT_HEIGHTS)(np.arange(-reach, reach + 1) / POSE_FPS)
    train = np.zeros(num_frames)
    np.add.at(train, frames, heights)
    return np.convolve(train, movement, mode="full")[reach : reach + num_frames]


def _lift_sense(forearm: np.ndarray, side: float) -> float:
    """+1 or -1: the sense of rotation (clockwise in the picture is +) that lifts the wrist, inwards if it hangs."""
    across, down = forearm
    if abs(across) > 0.35 * math.hypot(across, down):  # more than 20 degrees from upright
        return -math.copysign(1.0, across)
    return side * math.copysign(1.0, down)


def _bending_room(upper_arm: np.ndarray, forearm: np.ndarray) -> float:
    """0..1: 1 for an elbow open by 90 degrees or more; an arm bent to the shoulder cannot bend further."""
    cosine = float(-upper_arm @ forearm / max(np.hypot(*upper_arm) * np.hypot(*forearm), 1e-6))
    return min(1.0, math.acos(max(-1.0, min(1.0, cosine))) / (math.pi / 2))


def _spread_fingers(hand: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """[21, 2] and [T] radians per finger -> [T, 21, 2]: fingers fan out about their knuckles."""
    fanned = np.repeat(hand[None], len(spread), axis=0)
    middle = hand[9] - hand[0]
    for finger in (0, 1, 3, 4):  # from the middle one
        points = np.arange(4 * finger + 1, 4 * finger + 5)
        knuckle = hand[points[0]]
        across = knuckle - hand[0]
        sense = math.copysign(1.0, middle[0] * across[1] - middle[1] * across[0])  # away from the middle finger
        turn = sense * abs(finger - 2) * spread
        fanned[:, points] = knuckle + rotate(hand[points] - knuckle, turn[:, None])
    return fanned


def rotate(vectors: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """[..., 2] turned by radians [...] (broadcast), clockwise in the picture."""
    cosine, sine = np.cos(turns), np.sin(turns)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1)
