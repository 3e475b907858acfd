"""Which pose detector is at hand: DWPose, else MediaPipe, else the one that knows the demo's portrait."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..people import Detector
from ..weights.catalog import DWPOSE, YOLOX, find
from .dwpose import load_dwpose
from .example_portrait import ExamplePortrait
from .mediapipe_pose import TWO_LINE_INSTALL, load_mediapipe
from .sessions import DETECTOR_FILE, POSE_FILE

logger = logging.getLogger("mmgt")


def find_detector(folders: Sequence[Path], providers: Sequence[str] | None = None) -> Detector:
    """DWPose if its two files lie in or below one of the folders, else MediaPipe.

    providers: for DWPose, see ``load_dwpose``. Where there is neither, a detector that knows the pose of the demo's
    portrait; for any other picture it raises an InputError that names all the ways to a pose.
    """
    found = {file.name: find(file, {file.folder: folders}) for file in (YOLOX, DWPOSE)}
    detector_path, pose_path = found.values()
    if detector_path and pose_path:
        return load_dwpose(detector_path, pose_path, providers)
    missing = " and ".join(name for name, path in found.items() if path is None)
    try:
        detector = load_mediapipe()
    except InputError:
        return ExamplePortrait(
            f"no pose detector: {missing} not found in {', '.join(map(str, folders)) or 'any folder'}, and MediaPipe "
            f"cannot be used. Put DWPose's {DETECTOR_FILE} and {POSE_FILE} into {folders[0] if folders else 'a folder'}"
            f", or install MediaPipe ({TWO_LINE_INSTALL}), or give a pose file ('Load Poses', or "
            "--poses on the command line)."
        )
    logger.info("DWPose's %s not found: MediaPipe detects the pose", missing)
    return detector
