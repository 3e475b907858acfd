"""The pose of the demo's portrait, known beforehand: a first run needs neither a detector nor a download."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..assets import ASTRONAUT_POSE, ASTRONAUT_THUMBNAIL
from ..errors import InputError
from ..people import Detection
from ..pose_files import load_poses

THUMBNAIL_PX = 32
MAX_DIFFERENCE = 6.0  # mean grey levels: another file format or size stays below, another picture lies far above


@dataclass(frozen=True)
class ExamplePortrait:
    """A detector that recognises the demo's portrait by its pixels, and nothing else.

    advice: what to do about any other picture.
    """

    advice: str

    def detect(self, picture: np.ndarray) -> Detection:
        """picture: [H, W, 3] uint8 RGB. Raises InputError with the advice if it is not the example."""
        import cv2

        from ..media import read_picture

        height_px, width_px = picture.shape[:2]
        seen = cv2.resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        difference = np.abs(seen.astype(float) - read_picture(ASTRONAUT_THUMBNAIL).astype(float)).mean()
        if difference > MAX_DIFFERENCE or height_px != width_px:
            raise InputError(self.advice)
        pose = load_poses(ASTRONAUT_POSE).sized(height_px, width_px)
        return Detection(
            boxes_px=np.array([[0.0, 0.0, width_px, height_px]]),
            confidence=np.ones(1),
            keypoints_px=pose.pixels.double().numpy(),
            score=pose.score.numpy(),
            height_px=height_px,
            width_px=width_px,
        )
