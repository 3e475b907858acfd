"""Which pose detector is at hand: DWPose, else MediaPipe, else the one that knows the demo's portrait."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from .detect import DETECTOR_FILE, DWPOSE_FOLDER, POSE_FILE, Detector, load_dwpose
from .errors import InputError
from .example_portrait import ExamplePortrait
from .mediapipe_pose import TWO_LINE_INSTALL, load_mediapipe

log = logging.getLogger("mmgt")


def find_detector(folders: Sequence[Path], providers: Sequence[str] | None = None) -> Detector:
    """DWPose if its two files lie in one of the folders (or in a DWPose folder there), else MediaPipe.

    providers: for DWPose, see ``load_dwpose``. Where there is neither, a detector that knows the pose of the demo's
    portrait; for any other picture it raises an InputError that names all the ways to a pose.
    """
    found = {name: find_file(name, folders) for name in (DETECTOR_FILE, POSE_FILE)}
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
            f", or install MediaPipe ({TWO_LINE_INSTALL}), or give a pose file (--poses, 'Load Poses')."
        )
    log.info("DWPose's %s not found: MediaPipe detects the pose", missing)
    return detector


def find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """The first folder's file of that name, also one in its DWPose folder."""
    candidates = (place / name for folder in folders for place in (Path(folder), Path(folder) / DWPOSE_FOLDER))
    return next((path for path in candidates if path.is_file()), None)
