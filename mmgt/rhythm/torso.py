"""The torso breathes and leans about the hips, and carries head and arms."""

from __future__ import annotations

import numpy as np

from ..poses import POSE_FPS
from ..poses.skeleton import BODY, FACE, LEFT_HIP, NECK, NUM_KEYPOINTS, RIGHT_EYE_CENTRE, RIGHT_HIP
from .arms import ARMS, rotate
from .head import HEAD_POINTS
from .person import Person
from .timing import ease_in, sway, times

LOWER_BODY_POINTS = [*range(RIGHT_HIP, RIGHT_EYE_CENTRE), *range(BODY.stop, FACE.start)]  # hips, legs, feet: they stand
BREATH_HZ = (0.22, 0.28)  # 13 to 17 breaths a minute
BREATH_RISE = 0.012  # of the shoulder width: 4 mm
LEAN_DEG = 0.6  # root mean square about the hips
LEAN_WITH_HEAD = 0.2  # of the head's roll
NECK_BELOW_EYES, HIPS_BELOW_NECK = 0.5, 1.5  # shoulder widths, where they are not seen


def move_torso(
    xy_px: np.ndarray, person: Person, head_roll_deg: np.ndarray, rng: np.random.Generator, amplitude: float
) -> None:
    """Breathing lifts the shoulders and half as much the neck and head; all lean about the hips.

    xy_px: [T, 134, 2] float64, changed in place. head_roll_deg: [T], clockwise in the picture. amplitude: 0..2, 1 is
    natural.
    """
    from scipy.ndimage import gaussian_filter1d

    num_frames = len(xy_px)
    ease = ease_in(num_frames)
    breath_hz, phase, swaying = rng.uniform(*BREATH_HZ), rng.uniform(0, 2 * np.pi), sway(num_frames, rng, (0.06, 0.3))
    breath = np.sin(2 * np.pi * breath_hz * times(num_frames) + phase)
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
    lean = np.deg2rad(amplitude * ease * (LEAN_DEG * swaying + with_head))
    upper = np.setdiff1d(np.arange(NUM_KEYPOINTS), LOWER_BODY_POINTS)
    xy_px[:, upper] = hips + rotate(xy_px[:, upper] - hips, lean[:, None])
