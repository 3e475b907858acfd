"""What the first pose tells of the person: where the face is and how it is turned, how large face and shoulders are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..poses import PoseSequence
from ..poses.skeleton import (
    FACE,
    LEFT_EYE,
    LEFT_EYE_CENTRE,
    LEFT_SHOULDER,
    LIPS,
    NOSE,
    RIGHT_EYE,
    RIGHT_EYE_CENTRE,
    RIGHT_SHOULDER,
)

SHOULDERS_PER_FACE_UNIT = 5.0  # 63 mm x 5, about 350 mm: used where the shoulders are not seen
MIN_SHOULDERS_PER_FACE_UNIT = 3.0  # a person turned sideways is not as narrow as the shoulders look


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
        """Is more than half of these keypoints seen?"""
        return bool(self.visible[list(points)].mean() > 0.5)

    def to_face(self, xy_px: np.ndarray) -> np.ndarray:
        """[..., 2] pixels -> the face's right and down in face units, 0 between the eyes. Needs a head."""
        return (xy_px - self.face_origin_px) @ self.face_axes.T / self.face_unit_px

    def to_picture(self, face: np.ndarray) -> np.ndarray:
        """[..., 2] face units, as of ``to_face`` -> pixels."""
        return face @ self.face_axes * self.face_unit_px + self.face_origin_px


def measure_person(initial_pose: PoseSequence) -> Person:
    """Sizes and axes of the person in a one-frame pose. Raises InputError if neither head nor shoulders are seen."""
    xy_px = initial_pose.pixels[0].cpu().double().numpy()
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
            "the initial pose shows neither a head nor two shoulders (scores of 0.3 or more); Rhythm "
            "Audio2Pose needs one of them. Use a picture in which the person's face is seen."
        )
    axes = np.array([[down[1], -down[0]], down])
    return Person(xy_px, visible, origin, axes, unit, shoulder_px)
