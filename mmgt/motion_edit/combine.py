"""Combine two pose tracks: regions of one on the body of the other, joined where they grow.

A face is laid over the head that carries it, lips over the mouth of their face, hands on the wrists; each in the size
of the person who gets it. Where speech is given it decides the length, and its silence brings the person back to rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import LEFT_SHOULDER, LIPS, RIGHT_SHOULDER
from ..speech.features import SpeechFeatures
from ..speech.recording import Recording
from .local import LocalPoses, replaced_where_moved, to_local
from .silence import pauses, silent_frames, smooth_step
from .tree import (
    ARM_BONES,
    FIRM_HEAD,
    HANDS,
    KNUCKLES,
    REGIONS,
    back_and_forth,
    close_lips,
    direction,
    fill_in_time,
    from_complex,
    median,
    similarity,
    to_complex,
    with_hidden_joints,
)

Source = Literal["A", "B"]
LIP_PAUSE_S, LIP_EASE_S = 0.2, 0.12  # lips close in pauses from here on, within this time
REST_PAUSE_S, REST_EASE_S = 0.8, 0.4  # so does the person come to rest
MAX_FADE_S = 10.0
SHORT_FOREARM = 0.05  # of its usual length: seen from its end, a forearm has no direction to turn the hand by


@dataclass(frozen=True)
class CombineSettings:
    """Which region comes from which track, and how. Raises InputError for a value outside of its range.

    body, hands, face, lips: "A" or "B". The body's track decides the place, the size and the picture; what comes from
    the other track is laid over it with ``weight`` 0..1, faded in and out within ``fade_s`` 0..10 seconds at the ends.
    rest_in_silence: 0..1, how far the person returns to the idle pose with closed lips where the speech pauses.
    """

    body: Source = "A"
    hands: Source = "A"
    face: Source = "B"
    lips: Source = "B"
    weight: float = 1.0
    fade_s: float = 0.0
    rest_in_silence: float = 1.0

    def __post_init__(self) -> None:
        for region in REGIONS:
            if getattr(self, region) not in get_args(Source):
                raise InputError(f"{region} comes from '{getattr(self, region)}'; choose 'A' or 'B'.")
        for name, high in (("weight", 1.0), ("fade_s", MAX_FADE_S), ("rest_in_silence", 1.0)):
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise InputError(f"{name} is {value}; it must be between 0 and {high:g}.")


def combine_poses(
    a: PoseSequence,
    b: PoseSequence,
    settings: CombineSettings = CombineSettings(),
    speech: SpeechFeatures | Recording | None = None,
    idle_pose: PoseSequence | None = None,
) -> PoseSequence:
    """Regions of two tracks in one.

    Length and fps are the speech's (25 fps) where it is given, else A's. A track at another rate is resampled in time;
    one that is too short plays backwards and forwards, a single frame stays. idle_pose: its first frame, on the picture
    of the body's track, is the posture to rest in; without it the usual one of the result.

    Returns [T, 134, 2] on the picture of the body's track, whose points keep their numbers and scores exactly wherever
    nothing is laid over them and the speech does not pause for 0.8 s (lips: 0.2 s). Raises InputError where a face or
    lips are to be joined and no frame shows both heads, and where the idle pose's picture has another aspect.
    """
    num_frames, fps = (a.num_frames, a.fps) if speech is None else _speech_length(speech)
    in_time = {"A": _in_time(a, num_frames, fps), "B": _in_time(b, num_frames, fps)}
    tracks = {name: _Track(name, *to_complex(poses), poses.score.cpu()) for name, poses in in_time.items()}
    body, hands, face, lips = (tracks[getattr(settings, region)] for region in ("body", "hands", "face", "lips"))
    weight = settings.weight * _fade(num_frames, settings.fade_s * fps)

    combined = in_time[settings.body]
    if hands is not body:
        combined = _laid_over(combined, REGIONS["hands"], _on_wrists(hands, body), weight)
    if face is not body:
        face = _on_head(face, body)
        combined = _laid_over(combined, REGIONS["face"], face, weight)
    if lips.name != face.name:
        lips = _on_mouth(lips, face)
        combined = _laid_over(combined, REGIONS["lips"], lips, weight)
    elif face.name != body.name:
        combined = _laid_over(combined, REGIONS["lips"], face, weight)
    if speech is None or settings.rest_in_silence == 0:
        return combined
    silent = silent_frames(speech)
    return _at_rest(
        combined,
        settings.rest_in_silence * pauses(silent, LIP_PAUSE_S * fps, LIP_EASE_S * fps),
        settings.rest_in_silence * pauses(silent, REST_PAUSE_S * fps, REST_EASE_S * fps),
        idle_pose,
    )


# --- Time


def _speech_length(speech: SpeechFeatures | Recording) -> tuple[int, float]:
    if isinstance(speech, Recording):
        return speech.num_frames(POSE_FPS), float(POSE_FPS)
    return speech.num_frames, float(speech.fps)


def _in_time(poses: PoseSequence, num_frames: int, fps: float) -> PoseSequence:
    poses = poses.at_fps(fps)
    if poses.num_frames == num_frames:
        return poses
    return poses.at(back_and_forth(np.arange(num_frames), poses.num_frames).tolist())


def _fade(num_frames: int, fade_frames: float) -> np.ndarray:
    """[T] 1, and from 0 and to 0 within so many frames at the ends."""
    if fade_frames < 1:
        return np.ones(num_frames)
    from_end = np.minimum(np.arange(num_frames), np.arange(num_frames)[::-1])
    return smooth_step(from_end / fade_frames)


# --- Joins


@dataclass(frozen=True)
class _Track:
    """name: "A" or "B". z: [T, 134] complex in pixels. visible: [T, 134] bool. score: [T, 134]."""

    name: str
    z: np.ndarray
    visible: np.ndarray
    score: Tensor


def _on_wrists(hands: _Track, body: _Track) -> _Track:
    """Hands moved to the body's wrists, turned with its forearms, in the size of its hands."""
    z = hands.z.copy()
    from_joints, to_joints = with_hidden_joints(hands.z, hands.visible), with_hidden_joints(body.z, body.visible)
    palms = [(_palm_px(hands, hand), _palm_px(body, hand)) for _, _, hand in HANDS]
    shoulders = [(_shoulders_px(hands), _shoulders_px(body))]
    for idx, (elbow, wrist, hand) in enumerate(HANDS):
        measures = [palms[idx], palms[1 - idx], *shoulders]
        scale = next((to_px / from_px for from_px, to_px in measures if min(from_px, to_px) > 0), 1.0)
        before = from_joints[:, wrist] - from_joints[:, elbow]
        after = to_joints[:, wrist] - to_joints[:, elbow]
        usual = np.median(np.abs(before)) * np.median(np.abs(after))
        turn = direction(after * before.conj() + SHORT_FOREARM * usual)
        placed = (hands.z[:, hand] - from_joints[:, [wrist]]) * (scale * turn)[:, None]
        z[:, hand] = to_joints[:, [wrist]] + placed
    return replace(hands, z=z)


def _palm_px(track: _Track, hand: Sequence[int]) -> float:
    """Usual distance of the knuckles from the wrist; 0 where they are never seen."""
    points = [hand[0], *(hand[knuckle] for knuckle in KNUCKLES)]
    shown = track.z[track.visible[:, points].all(axis=1)][:, points]
    return float(np.median(np.abs(shown[:, 1:] - shown[:, :1]))) if len(shown) else 0.0


def _shoulders_px(track: _Track) -> float:
    shown = track.z[track.visible[:, [RIGHT_SHOULDER, LEFT_SHOULDER]].all(axis=1)]
    return float(np.median(np.abs(shown[:, RIGHT_SHOULDER] - shown[:, LEFT_SHOULDER]))) if len(shown) else 0.0


def _on_head(face: _Track, target: _Track) -> _Track:
    """The track moved, turned and scaled per frame so that its head's firm points lie on the target's."""
    m, b = _head_similarity(face, target)
    return replace(face, z=m[:, None] * face.z + b[:, None])


def _on_mouth(lips: _Track, face: _Track) -> _Track:
    """Lips laid into another face: in its turn and size, and around its usual mouth, which may sit elsewhere in it."""
    m, b = _head_similarity(lips, face)
    placed = m[:, None] * lips.z + b[:, None]
    both = (lips.visible & face.visible)[:, LIPS].mean(axis=1) > 0.5
    if both.any():
        apart = (face.z[:, LIPS] - placed[:, LIPS]).mean(axis=1, keepdims=True) / m[:, None]  # in the lips' own face
        placed = placed + m[:, None] * median(apart, both[:, None])
    return replace(lips, z=placed)


def _head_similarity(track: _Track, target: _Track) -> tuple[np.ndarray, np.ndarray]:
    """Turn and scale m [T] and shift b [T] from one head to the other, held over frames that do not show both."""
    common = (track.visible & target.visible)[:, FIRM_HEAD]
    m, b, known = similarity(track.z[:, FIRM_HEAD], target.z[:, FIRM_HEAD], common.astype(np.float64))
    if not known.any():
        blind = next((t.name for t in (track, target) if not t.visible[:, FIRM_HEAD].any()), "A and B together")
        raise InputError(
            f"poses {blind} show no head in any frame, so the face of one cannot be laid over the other; take face and "
            "lips from the poses that the body comes from, or give poses that show eyes and nose."
        )
    return fill_in_time(m, known), fill_in_time(b, known)


def _laid_over(poses: PoseSequence, points: list[int], track: _Track, weight: np.ndarray) -> PoseSequence:
    """Points of ``track`` over those of ``poses`` by weight [T] 0..1. What only one of them shows is that one's."""
    below, above = poses.visible.cpu().numpy()[:, points], track.visible[:, points]
    share = np.broadcast_to(weight[:, None], below.shape)
    share = np.where(above & ~below, share > 0, np.where(below & ~above, share == 1, share))
    z, _ = to_complex(poses)
    mixed = z[:, points] + share * (track.z[:, points] - z[:, points])
    xy = from_complex(np.where(share == 1, track.z[:, points], mixed)) / np.array([poses.width_px, poses.height_px])
    keypoints, score = poses.keypoints.cpu().clone(), poses.score.cpu().clone()
    touched = torch.from_numpy(share > 0)
    keypoints[:, points] = torch.where(
        touched[..., None], torch.from_numpy(xy.astype(np.float32)), keypoints[:, points]
    )
    score[:, points] = torch.where(torch.from_numpy(share >= 0.5), track.score[:, points], score[:, points])
    return replace(poses, keypoints=keypoints, score=score)


# --- Silence


def _at_rest(
    poses: PoseSequence, lips_share: np.ndarray, share: np.ndarray, idle_pose: PoseSequence | None
) -> PoseSequence:
    """Lips closed by lips_share [T] and the whole person moved to the idle pose by share [T], both 0..1.

    Arms swing there (their angles and lengths are mixed); hands, face and lips stay in their joins.
    """
    local = to_local(*to_complex(poses))
    idle = median(local.values, local.visible)
    if idle_pose is not None:
        still = to_local(*to_complex(idle_pose.still_on(poses.height_px, poses.width_px, "the idle pose")))
        idle = np.where(still.visible[0], still.values[0], idle)
    idle = close_lips(idle[None], 1.0)[0]
    values = close_lips(local.values, lips_share)
    way = idle - values
    turns = np.round(np.median(way[:, ARM_BONES].imag, axis=0) / (2 * np.pi))
    way[:, ARM_BONES] -= 2j * np.pi * turns  # the shorter way round
    resting = LocalPoses(values + share[:, None] * way, local.visible)
    return replace(poses, keypoints=replaced_where_moved(poses, local, resting))
