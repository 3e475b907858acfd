"""Which pose detector is at hand: DWPose, else MediaPipe, else the one that knows the demo's portrait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..people import Detector
from ..weights.catalog import DWPOSE, MEDIAPIPE, YOLOX
from ..weights.places import find, places
from .dwpose import load_dwpose
from .example_portrait import ExamplePortrait
from .mediapipe_pose import load_mediapipe
from .sessions import DETECTOR_FILE, POSE_FILE

logger = logging.getLogger("mmgt")


def find_detector(
    folder_paths: Callable[[str], Iterable[str | Path]], providers: Sequence[str] | None = None
) -> Detector:
    """DWPose if its two files are there, else MediaPipe (with its own file, where it has no models inside).

    folder_paths: where files are looked for, see ``weights.places``. providers: for DWPose, see ``load_dwpose``. Where
    there is neither, a detector that knows the pose of the demo's portrait; for any other picture it raises an
    InputError with the reasons and all the ways to a pose.
    """
    found = {file.name: find(file, places(file, folder_paths)) for file in (YOLOX, DWPOSE)}
    folders = places(DWPOSE, folder_paths)
    detector_path, pose_path = found.values()
    if detector_path and pose_path:
        return load_dwpose(detector_path, pose_path, providers)
    missing = " and ".join(name for name, path in found.items() if path is None)
    try:
        detector = load_mediapipe(find(MEDIAPIPE, places(MEDIAPIPE, folder_paths)))
    except InputError as error:
        return ExamplePortrait(
            f"no pose detector: {missing} not found in {' or '.join(map(str, folders))}; put DWPose's {DETECTOR_FILE} "
            f"and {POSE_FILE} into {folders[0]}. {error}"
        )
    logger.info("DWPose's %s not found: MediaPipe detects the pose", missing)
    return detector
