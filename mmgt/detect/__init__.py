"""Picture -> the keypoints of the people in it: by DWPose, by MediaPipe, or known beforehand for the demo's portrait.

``find.find_detector`` takes whichever is at hand; each is a ``people.Detector``.
"""

from .dwpose import DWPose, detect_each, load_dwpose

__all__ = ["DWPose", "detect_each", "load_dwpose"]
