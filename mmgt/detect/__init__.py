"""Picture -> the keypoints of the people in it: by DWPose, by MediaPipe, or known beforehand for the demo's portrait.

``find.find_detector`` takes whichever is at hand.
"""

from .dwpose import DWPose, detect_each, load_dwpose
from .people import Detection, Detector, PersonOrder, check_person_order, initial_pose_of, people_in_order

__all__ = [
    "DWPose",
    "Detection",
    "Detector",
    "PersonOrder",
    "check_person_order",
    "detect_each",
    "initial_pose_of",
    "load_dwpose",
    "people_in_order",
]
