"""The people whom a detector found in a picture, and the choice of one of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import torch

from ..errors import InputError
from ..poses import PoseSequence

logger = logging.getLogger("mmgt")

MAX_ASPECT = 16  # longer pictures would be resized to more than 512 x 8192 px, and hold no person

PersonOrder = Literal["largest", "highest score", "left to right"]


@dataclass(frozen=True)
class Detection:
    """The P people in one picture, the most confident first.

    boxes_px: [P, 4] float64, x0 y0 x1 y1. confidence: [P] float64, that the box holds a person, 0..1.
    keypoints_px: [P, 134, 2] float64. score: [P, 134] float32, 0..1. height_px, width_px: the picture's size.
    """

    boxes_px: np.ndarray
    confidence: np.ndarray
    keypoints_px: np.ndarray
    score: np.ndarray
    height_px: int
    width_px: int

    @property
    def num_people(self) -> int:
        return len(self.boxes_px)


class Detector(Protocol):
    """Anything that finds people: DWPose, MediaPipePose."""

    def detect(self, picture: np.ndarray) -> Detection:
        """picture: [H, W, 3] uint8 RGB."""


def check_picture(picture: np.ndarray) -> None:
    """Raises InputError unless the picture is [H, W, 3] uint8 of a usable shape."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(
            f"the picture is {list(picture.shape)} {picture.dtype}; a detector needs [H, W, 3] uint8 RGB. "
            "Convert it first."
        )
    height_px, width_px = picture.shape[:2]
    if max(height_px, width_px) > MAX_ASPECT * min(height_px, width_px):
        raise InputError(
            f"the picture has {width_px}x{height_px} px; its long side may be at most {MAX_ASPECT} times the short "
            "side. Crop it around the person."
        )


def initial_pose_of(
    detector: Detector, picture: np.ndarray, person: PersonOrder = "largest", index: int = 0
) -> PoseSequence:
    """The pose of one person in the picture, as a sequence of one frame on the picture as it was given.

    picture: [H, W, 3] uint8 RGB. person, index: see ``choose_person``. Raises InputError if nobody is found, or
    fewer than index + 1 people.
    """
    return choose_person(detector.detect(picture), person, index)


def choose_person(people: Detection, person: PersonOrder = "largest", index: int = 0) -> PoseSequence:
    """One of the people as a pose sequence of one frame.

    person: the order in which they are counted; index: the place in it, from 0. Raises InputError for nobody, or an
    index out of range.
    """
    check_person_order(person)
    if not people.num_people:
        raise InputError(
            f"nobody was found in the picture of {people.width_px}x{people.height_px} px; it must show a person's "
            "head and shoulders. Give another picture or crop it around the person, or give the pose "
            "('Load Poses', or --poses on the command line)."
        )
    if not 0 <= index < people.num_people:
        raise InputError(
            f"person {index} was asked for, but the picture shows {_count(people.num_people)}; choose an index of "
            f"0..{people.num_people - 1} (0 = the first by '{person}')."
        )
    row = int(people_in_order(people, person)[index])
    if people.num_people > 1:
        logger.info("the picture shows %d people; number %d by '%s' is taken", people.num_people, index, person)
    return PoseSequence.from_pixels(
        torch.from_numpy(people.keypoints_px[row : row + 1].copy()),
        torch.from_numpy(people.score[row : row + 1].copy()),
        height_px=people.height_px,
        width_px=people.width_px,
    )


def check_person_order(person: str) -> None:
    """Raises InputError for a word that is no ``PersonOrder``."""
    if person not in get_args(PersonOrder):
        raise InputError(f"person {person!r} is unknown; choose one of {', '.join(get_args(PersonOrder))}.")


def people_in_order(people: Detection, person: PersonOrder) -> np.ndarray:
    """The people's rows [P] in the order in which they are counted."""
    x0, y0, x1, y1 = people.boxes_px.T
    rank = {"largest": -(x1 - x0) * (y1 - y0), "highest score": -people.confidence, "left to right": x0 + x1}[person]
    return np.argsort(rank, kind="stable")


def _count(num_people: int) -> str:
    return "1 person" if num_people == 1 else f"{num_people} people"
