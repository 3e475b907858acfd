"""Rhythm Audio2Pose: a pose track from speech by rules alone, without any network or weights.

The lips follow the loudness and the spectrum of the speech; head, brows and hands beat on its onsets; blinks, breathing
and a slow sway go on in silence. This is no SMGA and no substitute for it: it knows the rhythm of the words, not their
meaning. The movements are built from the inside out: face in its own axes -> head about the neck -> arms from the
shoulders -> torso about the hips, everything measured in sizes of the person (never of the picture).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from ..audio import FRAME_SAMPLES, SPEECH_RATE_HZ, Recording, fit_length
from ..errors import InputError
from ..lips import LIP_COLUMNS, OUTER_LIP_FOLLOWS
from ..loudness import frame_rms, voice_loudness
from ..poses import POSE_FPS, PoseSequence
from ..skeleton import (
    BODY,
    BROWS,
    FACE,
    JAW,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_EYE,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LIPS,
    NECK,
    NOSE,
    NOSE_LINE,
    NUM_KEYPOINTS,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_EYE,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)

# --- Hearing
HOP_SAMPLES = FRAME_SAMPLES // 2  # 20 ms: every second spectrum is centred on a video frame
LIP_SMOOTHING_S = 0.036  # Gaussian sigma cut at 3 frames: lips close 120 ms after the sound, as muscles do
SPREAD_SMOOTHING_S = 0.06
ACTIVITY_SMOOTHING_S = 0.35  # gestures start before the words and come to rest after them

# --- Face, in face units: the distance between the eyes (63 mm of an adult)
MAX_LIP_GAP = 0.22  # 14 mm: a clear open vowel in a talk; laughing and shouting open further
LIP_ROUNDING, LIP_SPREADING = 0.16, 0.09  # share of the mouth's width lost in "oo" and gained in "ee"
# How the 20 lip points share the gap along the face's down axis: the jaw carries the lower lip, the upper hardly lifts.
OUTER_LIP_SHARES = (0.10, -0.08, -0.20, -0.25, -0.20, -0.08, 0.10, 0.35, 0.60, 0.70, 0.60, 0.35)
INNER_LIP_SHARES = (0.10, -0.18, -0.25, -0.18, 0.10, 0.55, 0.75, 0.55)  # the middle pair shares 1: the gap itself
CHIN_SHARE, JAW_FALLOFF_POINTS = 0.7, 3.5  # the chin falls nearly with the lower lip, the jaw's ends stay
BROW_RAISE = 0.09  # 6 mm
BLINK_REFRACTORY_S, BLINK_MEAN_EXTRA_S, BLINK_MAX_EXTRA_S = 2.0, 1.6, 4.0  # 2 to 6 s apart, as in conversation
BLINK_PROFILE_S = (-0.09, 0.0, 0.03, 0.20)  # starts, closed, opens, open again: lids fall faster than they rise
PAUSE_REACH_S = 0.6  # a blink this near to the start of a pause waits or hurries for it

# --- Head: degrees, turned about the joint of skull and neck
HEAD_SWAY_DEG = (1.6, 2.6, 1.6)  # pitch, yaw, roll, root mean square while speaking
HEAD_SWAY_HZ = (0.08, 0.45)
IDLE_SHARE = 0.4  # of the sway that goes on in silence
NOD_DEG = 3.5
NOD_LIFT_S = 0.22  # before the nod the head rises a little
HEAD_LIMIT_DEG = 14.0  # beyond it the generic depth of the face is no longer good enough
SKULL_JOINT = (0.0, 0.8, -1.5)  # face units right, down of and behind (-) the point between the eyes

# --- Torso and arms; shares are of the shoulder width (about 350 mm)
SHOULDERS_PER_FACE_UNIT = 5.0  # 63 mm x 5: used where the shoulders are not seen
MIN_SHOULDERS_PER_FACE_UNIT = 3.0  # a person turned sideways is not as narrow as the shoulders look
BREATH_HZ = (0.22, 0.28)  # 13 to 17 breaths a minute
BREATH_RISE = 0.012  # 4 mm
LEAN_DEG = 0.6  # root mean square about the hips
LEAN_WITH_HEAD = 0.2  # of the head's roll
NECK_BELOW_EYES, HIPS_BELOW_NECK = 0.5, 1.5  # where they are not seen
READY_DEG = 20.0  # forearms lift into gesture space while speaking
BEAT_DEG = 17.0
# A beat of the forearm: rest, preparation (lifted), stroke (its apex on the onset), hold, retraction to rest.
# The doubled ends give it no slope there.
BEAT_TIMES_S = (-0.60, -0.52, -0.24, 0.0, 0.16, 0.52, 0.60)
BEAT_HEIGHTS = (0.0, 0.0, 1.0, -0.7, -0.45, 0.0, 0.0)
ABDUCTION_DEG = 5.0  # upper arms
WRIST_FLEX_DEG = 9.0
FINGER_SPREAD_DEG = 4.0  # per finger away from the middle one
HIDDEN_WRIST_SHARE = 0.3  # an arm whose hand is out of the picture only stirs

EASE_IN_S = 1.0  # frame 0 is the initial pose; body and head set off from it
LIP_EASE_IN_S = 0.2  # speech may begin at once

HEAD_POINTS = [NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR, *FACE]
LOWER_BODY_POINTS = [*range(RIGHT_HIP, RIGHT_EYE_CENTRE), *range(BODY.stop, FACE.start)]  # hips, legs, feet: they stand
ARMS = ((RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, RIGHT_HAND), (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, LEFT_HAND))


@dataclass(frozen=True)
class Amplitudes:
    """How far each region moves: 0 = still, 1 = natural, up to 2. Raises InputError outside of that.

    body: breathing and lean. head: turns and nods. hands: arms and hands. face: blinks and brows. lips: lips and jaw.
    """

    body: float = 1.0
    head: float = 1.0
    hands: float = 1.0
    face: float = 1.0
    lips: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 2:
                raise InputError(
                    f"the amplitude of {field.name} is {value}; it must be between 0 (still) and 2, where 1 is natural."
                )


@dataclass(frozen=True)
class SpeechCues:
    """What the rules hear, per video frame.

    opening: [T] 0..about 1.1, how far the mouth opens; 0 in silence. spread: [T] -1 (rounded lips) .. 1 (spread).
    activity: [T] 0..1, slow: is anybody speaking around this frame? pause_starts: frames at which speech stops.
    onset_frames, onset_strength: [N] frames at which syllables set in, and 0..1 how much they stand out.
    """

    opening: np.ndarray
    spread: np.ndarray
    activity: np.ndarray
    pause_starts: np.ndarray
    onset_frames: np.ndarray
    onset_strength: np.ndarray


@dataclass(frozen=True)
class Person:
    """The still person, measured. xy_px: [134, 2] float64, visible: [134] bool.

    face_origin_px: [2], between the eyes. face_axes: [2, 2] unit rows: the face's right (in the picture) and down.
    face_unit_px: distance between the eyes, seen from the front; 0 where no head is seen. shoulder_px: shoulder width.
    """

    xy_px: np.ndarray
    visible: np.ndarray
    face_origin_px: np.ndarray
    face_axes: np.ndarray
    face_unit_px: float
    shoulder_px: float

    def mostly_visible(self, points: Sequence[int]) -> bool:
        return bool(self.visible[list(points)].mean() > 0.5)


def rhythm_poses(
    recording: Recording, initial_pose: PoseSequence, *, seed: int, amplitudes: Amplitudes = Amplitudes()
) -> PoseSequence:
    """Let the person of a still speak the recording, by rules.

    recording: any rate and length. initial_pose: one frame; frame 0 of the result is this pose. seed: not negative;
    it decides gestures, sway and blinks, while the lips belong to the sound. Returns [ceil(seconds x 25), 134, 2] at
    25 fps with the initial pose's picture size and score. Raises InputError for more than one initial frame, a negative
    seed, or an initial pose that shows neither head nor shoulders.
    """
    if initial_pose.num_frames != 1:
        raise InputError(
            f"the initial pose has {initial_pose.num_frames} frames; Rhythm Audio2Pose starts from one. "
            "Choose one frame of the sequence."
        )
    if seed < 0:
        raise InputError(f"the seed is {seed}; it must be 0 or more.")
    person = measure_person(initial_pose)
    cues = hear_speech(recording)
    num_frames = len(cues.opening)
    blink_rng, brow_rng, head_rng, torso_rng, arm_rng = [
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5)
    ]

    xy_px = np.repeat(person.xy_px[None], num_frames, axis=0)  # [T, 134, 2]
    head_turns = _head_turns(cues, head_rng) * amplitudes.head  # [T, 3] degrees
    if person.face_unit_px > 0:
        face = (xy_px - person.face_origin_px) @ person.face_axes.T / person.face_unit_px  # right, down in face units
        if person.mostly_visible(FACE):
            _move_lips(face, cues, amplitudes.lips)
            _close_lids(face, _blinks(cues, blink_rng) * min(amplitudes.face, 1.0))
            face[:, list(BROWS), 1] -= BROW_RAISE * amplitudes.face * _brow_raises(cues, brow_rng)[:, None]
        face = _turn_head(face, head_turns)
        turned_px = face @ person.face_axes * person.face_unit_px + person.face_origin_px
        xy_px[:, HEAD_POINTS] = turned_px[:, HEAD_POINTS]
        if not person.mostly_visible(FACE):  # its points may lie anywhere: they keep their distance from the nose
            xy_px[:, FACE.start : FACE.stop] = person.xy_px[list(FACE)] + (xy_px[:, [NOSE]] - person.xy_px[NOSE])
    _move_arms(xy_px, person, cues, arm_rng, amplitudes.hands)
    _move_torso(xy_px, person, head_turns[:, 2], torso_rng, amplitudes.body)

    score = initial_pose.score.float().cpu().expand(num_frames, NUM_KEYPOINTS).clone()
    return PoseSequence.from_pixels(
        torch.from_numpy(xy_px), score, height_px=initial_pose.height_px, width_px=initial_pose.width_px, fps=POSE_FPS
    )


# --- Hearing


def hear_speech(recording: Recording) -> SpeechCues:
    """The cues of a recording, one per video frame, all centred on their frame (no lag)."""
    import librosa
    from scipy.ndimage import gaussian_filter1d

    num_frames = recording.num_frames(POSE_FPS)
    waveform = fit_length(recording.mono_at(SPEECH_RATE_HZ), num_frames * FRAME_SAMPLES)
    loudness = voice_loudness(frame_rms(waveform, num_frames))  # [T]
    bands = librosa.feature.melspectrogram(
        y=waveform, sr=SPEECH_RATE_HZ, n_fft=512, hop_length=HOP_SAMPLES, n_mels=40, fmin=100.0
    )  # [40, 2T+1]; 512 samples = 32 ms
    centres_hz = librosa.mel_frequencies(n_mels=42, fmin=100.0, fmax=SPEECH_RATE_HZ / 2)[1:-1]
    spread, hiss = _lip_shape(bands[:, 1::2], centres_hz, loudness)
    # Teeth close in "s" and "sh", however loud. Mild, so that the lips stay with the loudness that one hears.
    opening = gaussian_filter1d(loudness * (1 - 0.3 * hiss), LIP_SMOOTHING_S * POSE_FPS, mode="constant", truncate=3)
    speaking = gaussian_filter1d((loudness > 0).astype(np.float64), ACTIVITY_SMOOTHING_S * POSE_FPS, mode="nearest")
    onset_frames, onset_strength = _onsets(bands, loudness)
    pause_starts = np.flatnonzero((speaking[:-1] >= 0.5) & (speaking[1:] < 0.5))
    return SpeechCues(opening, spread, np.clip(1.3 * speaking, 0, 1), pause_starts, onset_frames, onset_strength)


def _lip_shape(bands: np.ndarray, centres_hz: np.ndarray, loudness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel power [40, T] -> spread [T] -1..1 and hiss [T] 0..1.

    The second formant lies near 0.8 kHz in rounded back vowels ("oo") and above 1.8 kHz in spread front vowels ("ee").
    """
    from scipy.ndimage import gaussian_filter1d

    def power(low_hz: float, high_hz: float) -> np.ndarray:
        return bands[(centres_hz >= low_hz) & (centres_hz < high_hz)].sum(axis=0, dtype=np.float64) + 1e-10

    hiss = power(3800, 8000) / power(100, 8000)
    tilt = np.log10(power(1700, 3400) / power(600, 1500))  # decades
    speaking = loudness > 0
    usual_tilt = np.median(tilt[speaking]) if speaking.any() else 0.0  # the speaker's and the microphone's own
    spread = np.tanh(tilt - usual_tilt) * np.minimum(1.0, 3 * loudness)  # soft sounds barely shape the lips
    return gaussian_filter1d(spread, SPREAD_SMOOTHING_S * POSE_FPS, mode="constant"), hiss


def _onsets(bands: np.ndarray, loudness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel power [40, 2T+1] -> frames and strengths of the onsets: peaks of the rise in level over all bands."""
    from scipy.signal import find_peaks

    level_db = 10 * np.log10(bands + 1e-10)
    level_db = np.maximum(level_db, level_db.max() - 50)  # below: inaudible next to the speech
    rise_db = np.maximum(0, np.diff(level_db, axis=1, prepend=level_db[:, :1])).mean(axis=0)  # [2T+1]
    rise_db = rise_db[:-1].reshape(-1, 2).max(axis=1)  # [T]
    peaks, _ = find_peaks(np.r_[0, rise_db, 0], height=1.0, distance=3)  # 1 dB per 20 ms; syllables are over 120 ms
    peaks -= 1
    follows = np.maximum(loudness, np.r_[loudness[1:], 0])  # the vowel comes one frame after its onset
    peaks = peaks[follows[peaks] > 0]
    strength = rise_db[peaks] * follows[peaks]
    return peaks, strength / strength.max() if len(peaks) else strength


# --- The person


def measure_person(initial_pose: PoseSequence) -> Person:
    """Sizes and axes of the person in a one-frame pose. Raises InputError if neither head nor shoulders are seen."""
    xy_px = initial_pose.pixels[0].double().cpu().numpy()
    visible = initial_pose.visible[0].cpu().numpy()
    if visible[list(FACE)].mean() > 0.5:
        right_eye, left_eye = xy_px[list(RIGHT_EYE)].mean(axis=0), xy_px[list(LEFT_EYE)].mean(axis=0)
        mouth = xy_px[list(LIPS)].mean(axis=0)
        has_head = True
    else:
        right_eye, left_eye, nose = xy_px[[RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, NOSE]]
        mouth = 2 * nose - (right_eye + left_eye) / 2  # the nose is half-way from eyes to mouth
        has_head = bool(visible[[RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, NOSE]].all())
    origin = (right_eye + left_eye) / 2
    down = mouth - origin  # holds in profile too, where the line between the eyes has no length
    length = float(np.hypot(*down))
    # Eyes and mouth are about one eye distance apart: the longer of the two survives turning and nodding.
    unit = max(float(np.hypot(*(left_eye - right_eye))), 0.9 * length) if has_head else 0.0
    down = down / length if length > 0 else np.array([0.0, 1.0])
    shoulders_seen = bool(visible[[RIGHT_SHOULDER, LEFT_SHOULDER]].all())
    shoulder_px = float(np.hypot(*(xy_px[LEFT_SHOULDER] - xy_px[RIGHT_SHOULDER]))) if shoulders_seen else 0.0
    shoulder_px = max(shoulder_px, unit * (MIN_SHOULDERS_PER_FACE_UNIT if shoulders_seen else SHOULDERS_PER_FACE_UNIT))
    if shoulder_px == 0:
        raise InputError(
            "the initial pose shows neither a head nor two shoulders (scores above 0.3); Rhythm "
            "Audio2Pose needs one of them. Use a picture in which the person's face is seen."
        )
    axes = np.array([[down[1], -down[0]], down])
    return Person(xy_px, visible, origin, axes, unit, shoulder_px)


# --- Face: [T, 134, 2] right and down in face units, changed in place


def _move_lips(face: np.ndarray, cues: SpeechCues, amplitude: float) -> None:
    """Close the lips of the still, then open and shape them with the speech; the jaw falls with them."""
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

    ease = _ease_in(len(face), LIP_EASE_IN_S)
    face += (min(amplitude, 1.0) * ease)[:, None, None] * closing
    face[:, :, 1] += (amplitude * MAX_LIP_GAP * ease * cues.opening)[:, None] * opening
    widening = np.where(cues.spread > 0, LIP_SPREADING, LIP_ROUNDING) * cues.spread * amplitude * ease
    middle = rest[lips, 0].mean()
    face[:, lips, 0] += widening[:, None] * (face[:, lips, 0] - middle)


def _close_lids(face: np.ndarray, closed: np.ndarray) -> None:
    """closed [T] 0..1: the upper lid does most of the way."""
    for eye in (RIGHT_EYE, LEFT_EYE):
        corner = eye.start
        for upper, lower in ((corner + 1, corner + 5), (corner + 2, corner + 4)):
            way = closed[:, None] * (face[:, lower] - face[:, upper])
            face[:, upper] += 0.85 * way
            face[:, lower] -= 0.15 * way


def _blinks(cues: SpeechCues, rng: np.random.Generator) -> np.ndarray:
    """[T] 0 open .. 1 closed."""
    seconds = _times(len(cues.opening))
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
    return closed * _ease_in(len(closed), LIP_EASE_IN_S)


def _brow_raises(cues: SpeechCues, rng: np.random.Generator) -> np.ndarray:
    """[T] 0..about 1.2: brows rise with some of the emphasised syllables."""
    frames, heights = _choose_beats(cues, rng, spacing_s=1.2, share=0.5)
    num_frames = len(cues.opening)
    return np.minimum(_pulses(num_frames, frames, heights, 0.12), 1.2) * _ease_in(num_frames, EASE_IN_S)


# --- Head


def _head_turns(cues: SpeechCues, rng: np.random.Generator) -> np.ndarray:
    """[T, 3] degrees: pitch (down), yaw (to the picture's right), roll (clockwise in the picture)."""
    num_frames = len(cues.opening)
    liveliness = IDLE_SHARE + (1 - IDLE_SHARE) * cues.activity
    sway = np.stack([_sway(num_frames, rng, HEAD_SWAY_HZ) for _ in HEAD_SWAY_DEG], axis=1)
    turns = sway * HEAD_SWAY_DEG * liveliness[:, None]  # [T, 3]
    frames, heights = _choose_beats(cues, rng, spacing_s=0.4, share=0.8)
    turns[:, 0] += NOD_DEG * (
        _pulses(num_frames, frames, heights, 0.1)
        - 0.4 * _pulses(num_frames, frames - round(NOD_LIFT_S * POSE_FPS), heights, 0.1)
    )
    aside = rng.normal(0, 0.5, len(frames)) * heights  # no two nods in the same direction
    turns[:, 1] += NOD_DEG * _pulses(num_frames, frames, aside, 0.14)
    turns[:, 2] += 0.5 * NOD_DEG * _pulses(num_frames, frames, -aside, 0.14)
    turns *= _ease_in(num_frames, EASE_IN_S)[:, None]
    return HEAD_LIMIT_DEG * np.tanh(turns / HEAD_LIMIT_DEG)


def _turn_head(face: np.ndarray, turns_deg: np.ndarray) -> np.ndarray:
    """[T, 134, 2] face units -> the same, turned in depth about the joint of skull and neck, seen from far away."""
    pitch, yaw, roll = np.deg2rad(turns_deg).T[:, :, None]  # each [T, 1]
    right, down = face[..., 0] - SKULL_JOINT[0], face[..., 1] - SKULL_JOINT[1]
    front = _face_depth(face[..., 0]) - SKULL_JOINT[2]  # [T, 134]; of the moved points: closed lips share one depth
    down, front = down * np.cos(pitch) + front * np.sin(pitch), front * np.cos(pitch) - down * np.sin(pitch)
    right = right * np.cos(yaw) + front * np.sin(yaw)
    turned = np.stack([right * np.cos(roll) - down * np.sin(roll), right * np.sin(roll) + down * np.cos(roll)], axis=-1)
    return turned + np.array(SKULL_JOINT[:2])


def _face_depth(right: np.ndarray) -> np.ndarray:
    """[..., 134] face units towards the camera, 0 at the eyes: a generic head, round from ear to ear, with a nose."""
    depth = -1.1 * np.minimum((right / 1.2) ** 2, 1.3)  # ears lie 9 cm behind the eyes
    bridge = list(NOSE_LINE)[:4]
    depth[..., bridge] = np.linspace(0.1, 0.35, len(bridge))  # the nose stands out by 2 cm
    depth[..., list(NOSE_LINE)[4:]] = 0.2
    depth[..., NOSE] = 0.35
    return depth


# --- Arms and torso: [T, 134, 2] pixels, changed in place


def _move_arms(xy_px: np.ndarray, person: Person, cues: SpeechCues, rng: np.random.Generator, amplitude: float) -> None:
    """Two bones an arm, turned in the picture plane, so that limbs keep their length. A hand is rigid but its fingers.

    The arm that a beat takes is drawn; so is how much either arm takes part at all.
    """
    num_frames = len(xy_px)
    ease = _ease_in(num_frames, EASE_IN_S)
    frames, heights = _choose_beats(cues, rng, spacing_s=0.6, share=0.85)
    right_only, left_only, _both = rng.dirichlet((2, 2, 2))  # this speaker's habit
    draw = rng.random(len(frames))
    shares = (
        np.where((draw < right_only) | (draw >= right_only + left_only), 1.0, 0.15),
        np.where(draw >= right_only, 1.0, 0.15),
    )
    for (shoulder, elbow, wrist, hand), share in zip(ARMS, shares, strict=True):
        readiness = rng.uniform(0.5, 1.1)  # drawn for a hidden arm too: the other one must not change with it
        slow_lift, slow_abduction, slow_flex = (_sway(num_frames, rng, (0.1, 0.4)) for _ in range(3))
        beat, spread = _beats(num_frames, frames, heights * share), _pulses(num_frames, frames, heights * share, 0.2)
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
        xy_px[:, elbow] = xy_px[:, shoulder] + _rotate(upper_arm, upper_turn)
        xy_px[:, wrist] = xy_px[:, elbow] + _rotate(forearm, fore_turn)
        points = list(hand)
        if person.visible[wrist] and person.mostly_visible(points):
            turns = fore_turn + lift_sense * np.deg2rad(flex)
            fanned = _spread_fingers(person.xy_px[points], strength * np.deg2rad(FINGER_SPREAD_DEG) * spread)
            xy_px[:, points] = xy_px[:, [wrist]] + _rotate(fanned - person.xy_px[wrist], turns[:, None])
        else:  # no hand to turn: its points keep their distance from the wrist
            xy_px[:, points] += xy_px[:, [wrist]] - person.xy_px[wrist]


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
        fanned[:, points] = knuckle + _rotate(hand[points] - knuckle, turn[:, None])
    return fanned


def _move_torso(
    xy_px: np.ndarray, person: Person, head_roll_deg: np.ndarray, rng: np.random.Generator, amplitude: float
) -> None:
    """Breathing lifts the shoulders and half as much the neck and head; all lean about the hips."""
    from scipy.ndimage import gaussian_filter1d

    num_frames = len(xy_px)
    ease = _ease_in(num_frames, EASE_IN_S)
    breath_hz, phase, sway = rng.uniform(*BREATH_HZ), rng.uniform(0, 2 * np.pi), _sway(num_frames, rng, (0.06, 0.3))
    breath = np.sin(2 * np.pi * breath_hz * _times(num_frames) + phase)
    rise = amplitude * BREATH_RISE * person.shoulder_px * ease * breath
    breathing = np.zeros(NUM_KEYPOINTS)
    breathing[[NECK, *HEAD_POINTS]] = 0.5
    for shoulder, elbow, wrist, hand in ARMS:
        breathing[[shoulder, elbow, wrist, *hand]] = 1.0
    xy_px[:, :, 1] -= rise[:, None] * breathing

    below = np.array([0.0, person.shoulder_px])  # one shoulder width down in the picture
    neck = person.xy_px[NECK] if person.visible[NECK] else person.face_origin_px + NECK_BELOW_EYES * below
    hips_seen = person.visible[[RIGHT_HIP, LEFT_HIP]].all()
    hips = person.xy_px[[RIGHT_HIP, LEFT_HIP]].mean(axis=0) if hips_seen else neck + HIPS_BELOW_NECK * below
    with_head = LEAN_WITH_HEAD * gaussian_filter1d(head_roll_deg, 0.3 * POSE_FPS, mode="nearest")  # the torso is slow
    lean = np.deg2rad(amplitude * ease * (LEAN_DEG * sway + with_head))
    upper = np.setdiff1d(np.arange(NUM_KEYPOINTS), LOWER_BODY_POINTS)
    xy_px[:, upper] = hips + _rotate(xy_px[:, upper] - hips, lean[:, None])


# --- Time: [T] drivers


def _times(num_frames: int) -> np.ndarray:
    """[T] seconds from the first frame."""
    return np.arange(num_frames) / POSE_FPS


def _ease_in(num_frames: int, seconds: float) -> np.ndarray:
    """[T] 0 at frame 0, 1 from ``seconds`` on, without a jerk."""
    share = np.clip(_times(num_frames) / seconds, 0, 1)
    return share * share * (3 - 2 * share)


def _sway(num_frames: int, rng: np.random.Generator, band_hz: tuple[float, float]) -> np.ndarray:
    """[T] band-limited noise, root mean square 1, within +-3.2: five sines. Bounded, so nothing drifts."""
    rates_hz, phases = rng.uniform(*band_hz, 5), rng.uniform(0, 2 * np.pi, 5)
    return np.sin(2 * np.pi * rates_hz * _times(num_frames)[:, None] + phases).sum(axis=1) * math.sqrt(2 / 5)


def _choose_beats(
    cues: SpeechCues, rng: np.random.Generator, *, spacing_s: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and heights 0.3..1.2 of the onsets that a region answers: at most one per spacing, the strong more likely.

    Both are [N].
    """
    frames, heights, last = [], [], -math.inf
    for frame, strength in zip(cues.onset_frames, cues.onset_strength, strict=True):
        chance, height = rng.random(), rng.uniform(0.7, 1.2)  # drawn for every onset: no choice shifts the next
        if frame - last >= spacing_s * POSE_FPS and chance < share * (0.5 + strength):
            frames.append(frame)
            heights.append(height * (0.45 + 0.55 * strength))
            last = frame
    return np.array(frames, dtype=np.int64), np.array(heights, dtype=np.float64)


def _pulses(num_frames: int, frames: np.ndarray, heights: np.ndarray, width_s: float) -> np.ndarray:
    """[T]: a Gaussian of the given height and sigma at each frame."""
    from scipy.ndimage import gaussian_filter1d

    train, inside = np.zeros(num_frames), (frames >= 0) & (frames < num_frames)
    np.add.at(train, frames[inside], heights[inside])
    sigma = width_s * POSE_FPS
    return gaussian_filter1d(train, sigma, mode="constant") * sigma * math.sqrt(2 * math.pi)


def _beats(num_frames: int, frames: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """[T]: the smooth movement BEAT_TIMES_S, BEAT_HEIGHTS for each beat; neighbours add up."""
    from scipy.interpolate import PchipInterpolator

    reach = round(BEAT_TIMES_S[-1] * POSE_FPS)
    movement = PchipInterpolator(BEAT_TIMES_S, BEAT_HEIGHTS)(np.arange(-reach, reach + 1) / POSE_FPS)
    train = np.zeros(num_frames)
    np.add.at(train, frames, heights)
    return np.convolve(train, movement, mode="full")[reach : reach + num_frames]


def _rotate(vectors: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """[..., 2] turned by radians [...] (broadcast), clockwise in the picture."""
    cosine, sine = np.cos(turns), np.sin(turns)
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1)
