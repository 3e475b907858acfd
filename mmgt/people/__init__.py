"""The people in a picture or film, whoever detected them: the choice of one, and following one through the frames."""

from .detections import (
    Detection,
    Detector,
    PersonOrder,
    check_person_order,
    check_picture,
    choose_person,
    initial_pose_of,
    people_in_order,
)

__all__ = [
    "Detection",
    "Detector",
    "PersonOrder",
    "check_person_order",
    "check_picture",
    "choose_person",
    "initial_pose_of",
    "people_in_order",
]
