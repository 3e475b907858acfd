"""A still and a recording -> poses: each part of the person in its turn, from the inside out."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import FACE, NOSE, NUM_KEYPOINTS
from ..seeds import check_seed
from ..speech.recording import Recording
from .arms import move_arms
from .cues import hear_speech
from .face import blink, move_lips, raise_brows
from .head import HEAD_POINTS, head_turns, turn_head
from .person import measure_person
from .torso import move_torso


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
    check_seed(seed)
    person = measure_person(initial_pose)
    cues = hear_speech(recording)
    num_frames = len(cues.opening)
    blink_rng, brow_rng, head_rng, torso_rng, arm_rng = [
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(5)
    ]

    xy_px = np.repeat(person.xy_px[None], num_frames, axis=0)  # [T, 134, 2]
    turns_deg = head_turns(cues, head_rng, amplitudes.head)  # [T, 3]
    if person.face_unit_px > 0:
        face = person.to_face(xy_px)
        if person.mostly_visible(FACE):
            move_lips(face, cues, amplitudes.lips)
            blink(face, cues, blink_rng, amplitudes.face)
            raise_brows(face, cues, brow_rng, amplitudes.face)
        xy_px[:, HEAD_POINTS] = person.to_picture(turn_head(face, turns_deg))[:, HEAD_POINTS]
        if not person.mostly_visible(FACE):  # its points may lie anywhere: they keep their distance from the nose
            xy_px[:, FACE.start : FACE.stop] = person.xy_px[list(FACE)] + (xy_px[:, [NOSE]] - person.xy_px[NOSE])
    move_arms(xy_px, person, cues, arm_rng, amplitudes.hands)
    move_torso(xy_px, person, turns_deg[:, 2], torso_rng, amplitudes.body)

    score = initial_pose.score.float().cpu().expand(num_frames, NUM_KEYPOINTS).clone()
    return PoseSequence.from_pixels(
        torch.from_numpy(xy_px), score, height_px=initial_pose.height_px, width_px=initial_pose.width_px, fps=POSE_FPS
    )
