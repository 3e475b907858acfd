"""A person's 133 keypoints: the SimCC network (arXiv 2107.03332) of DWPose before and after its network."""

from __future__ import annotations

import numpy as np

BOX_MARGIN = 1.25  # the pose network sees this much of the box
SIMCC_BINS_PER_PX = 2
# ImageNet's mean and deviation, listed R, G, B but applied to B, G, R: the published network was exported with it.
PIXEL_MEAN = np.array([123.675, 116.28, 103.53])
PIXEL_DEVIATION = np.array([58.395, 57.12, 57.375])


def centre_and_scale(boxes_px: np.ndarray, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [P, 4] -> centre [P, 2] and size [P, 2] of the crop of that aspect (width / height) around each."""
    corner_0, corner_1 = boxes_px[:, :2], boxes_px[:, 2:]
    width, height = (BOX_MARGIN * (corner_1 - corner_0)).T
    is_wide = width > aspect * height
    size = np.stack([np.where(is_wide, width, aspect * height), np.where(is_wide, width / aspect, height)], axis=1)
    return (corner_0 + corner_1) / 2, size


def crop_person(
    picture: np.ndarray, centre: np.ndarray, scale: np.ndarray, height_px: int, width_px: int
) -> np.ndarray:
    """The crop of a BGR picture around ``centre`` [2], ``scale`` [2] px large, as the pose network reads it.

    Returns [3, height, width] float32.
    """
    import cv2

    # Three points fix the map: the centre, half a width above it, and from there half a width to the left.
    source = np.array([centre, centre - (0, scale[0] / 2), centre - (scale[0] / 2, scale[0] / 2)], np.float32)
    middle = np.array([width_px / 2, height_px / 2])
    target = np.array([middle, middle - (0, width_px / 2), middle - (width_px / 2, width_px / 2)], np.float32)
    crop = cv2.warpAffine(
        picture, cv2.getAffineTransform(source, target), (width_px, height_px), flags=cv2.INTER_LINEAR
    )
    return ((crop - PIXEL_MEAN) / PIXEL_DEVIATION).transpose(2, 0, 1).astype(np.float32)


def decode_simcc(simcc_x: np.ndarray, simcc_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evidence along each axis [K, 2 w], [K, 2 h] -> location [K, 2] in network px, and score [K].

    The score is the smaller of the two maxima; a keypoint without positive evidence lies at bin -1.
    """
    bins = np.stack([simcc_x.argmax(axis=1), simcc_y.argmax(axis=1)], axis=1)
    score = np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1))
    bins[score <= 0] = -1
    return bins / SIMCC_BINS_PER_PX, score
