"""The head sways, nods on accents, and is turned in depth about the joint of skull and neck."""

from __future__ import annotations

import numpy as np

from ..poses import POSE_FPS
from ..poses.skeleton import FACE, LEFT_EAR, LEFT_EYE_CENTRE, NOSE, NOSE_LINE, RIGHT_EAR, RIGHT_EYE_CENTRE
from .cues import SpeechCues
from .timing import choose_beats, ease_in, pulses, sway

HEAD_POINTS = [NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR, *FACE]
HEAD_SWAY_DEG = (1.6, 2.6, 1.6)  # pitch, yaw, roll, root mean square while speaking
HEAD_SWAY_HZ = (0.08, 0.45)
IDLE_SHARE = 0.4  # of the sway that goes on in silence
NOD_DEG = 3.5
NOD_LIFT_S = 0.22  # before the nod the head rises a little
HEAD_LIMIT_DEG = 14.0  # beyond it the generic depth of the face is no longer good enough
SKULL_JOINT = (0.0, 0.8, -1.5)  # face units right, down of and behind (-) the point between the eyes


def head_turns(cues: SpeechCues, rng: np.random.Generator, amplitude: float = 1.0) -> np.ndarray:
    """[T, 3] degrees, within +-14: pitch (down), yaw (to the picture's right), roll (clockwise in the picture).

    amplitude: 0..2, 1 is natural.
    """
    num_frames = len(cues.opening)
    liveliness = IDLE_SHARE + (1 - IDLE_SHARE) * cues.activity
    swaying = np.stack([sway(num_frames, rng, HEAD_SWAY_HZ) for _ in HEAD_SWAY_DEG], axis=1)
    turns = swaying * HEAD_SWAY_DEG * liveliness[:, None]  # [T, 3]
    frames, heights = choose_beats(cues, rng, spacing_s=0.4, share=0.8)
    turns[:, 0] += NOD_DEG * (
        pulses(num_frames, frames, heights, 0.1)
        - 0.4 * pulses(num_frames, frames - round(NOD_LIFT_S * POSE_FPS), heights, 0.1)
    )
    aside = rng.normal(0, 0.5, len(frames)) * heights  # no two nods in the same direction
    turns[:, 1] += NOD_DEG * pulses(num_frames, frames, aside, 0.14)
    turns[:, 2] += 0.5 * NOD_DEG * pulses(num_frames, frames, -aside, 0.14)
    turns *= amplitude * ease_in(num_frames)[:, None]
    return HEAD_LIMIT_DEG * np.tanh(turns / HEAD_LIMIT_DEG)


def turn_head(face: np.ndarray, turns_deg: np.ndarray) -> np.ndarray:
    """[T, 134, 2] face units -> the same, turned in depth by [T, 3] degrees of ``head_turns``, seen from far away."""
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
