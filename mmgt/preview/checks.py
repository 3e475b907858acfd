"""Which pictures, masks and poses can be previewed: sentences for a fallback, InputError for what is no such thing."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..poses.skeleton import (
    BROWS,
    CHIN,
    FACE,
    LEFT_EYE,
    LEFT_SHOULDER,
    NOSE_LINE,
    NUM_KEYPOINTS,
    RIGHT_EYE,
    RIGHT_SHOULDER,
    in_face,
    is_visible,
)
from .geometry import as_complex, similarity

MIN_SIDE_PX = 16
MIN_PERSON, MAX_PERSON = 0.05, 0.80  # share of the picture that a believable matte covers

# eye centres, nose tip, mouth corners of an upright mean face, in eye distances
_FIVE_POINTS = np.array([-0.5 + 0j, 0.5 + 0j, 0.0 + 0.6j, -0.42 + 1.05j, 0.42 + 1.05j])


def face_problem(points_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> str | None:
    """Why the face cannot be warped, None when it can. points_px: [134, 2]; score: [134]."""
    face = points_px[FACE.start : FACE.stop]
    seen = is_visible(score[FACE]).mean()
    if seen < 0.8:
        return f"only {100 * seen:.0f} % of the face's keypoints are visible in the initial pose"
    inside = ((face >= 0) & (face < [width_px, height_px])).all(axis=1).mean()
    if inside < 0.8:
        return f"only {100 * inside:.0f} % of the initial pose's face lies inside the picture"
    z = as_complex(face)
    five = np.array([z[in_face(RIGHT_EYE)].mean(), z[in_face(LEFT_EYE)].mean(), z[30], z[48], z[54]])
    a, b = similarity(_FIVE_POINTS, five, (1e-3, 1e6))
    misfit = np.sqrt((abs(five - a * _FIVE_POINTS - b) ** 2).mean()) / abs(a)
    jaw_width, size_px = abs(z[16] - z[0]) / abs(a), abs(z[CHIN - FACE.start] - z[in_face(BROWS)].mean())
    # 0.3 eye distances: a half turned head still passes, scattered points do not
    if misfit > 0.3 or not 0.9 < jaw_width < 4 or size_px > 3.5 * abs(a) or a.real <= 0 or abs(a) < 4:
        return "the initial pose's face keypoints do not form a face"
    return None


def shoulder_problem(points_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> str | None:
    """Why the torso cannot be a layer, None when it can. points_px: [134, 2]; score: [134]."""
    shoulders = points_px[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    if not is_visible(score[[RIGHT_SHOULDER, LEFT_SHOULDER]]).all():
        return "a shoulder is hidden in the initial pose"
    if ((shoulders < 0) | (shoulders >= [width_px, height_px])).any():
        return "a shoulder lies outside the picture in the initial pose"
    face = points_px[FACE.start : FACE.stop]
    ratio = (shoulders[1, 0] - shoulders[0, 0]) / max(float(np.ptp(face[:, 0])), 1e-6)
    if not 0.8 < ratio < 6 or shoulders[:, 1].mean() < points_px[NOSE_LINE, 1].mean():
        return "the initial pose's shoulders do not fit its face"
    return None


def matte_problem(matte: np.ndarray) -> str | None:
    """Why nothing can be cut out with a matte [H, W] 0..1, None when it can."""
    share = float(matte.mean())
    if MIN_PERSON <= share <= MAX_PERSON:
        return None
    return (
        f"the person was found on {100 * share:.0f} % of the picture, believable are "
        f"{100 * MIN_PERSON:.0f} to {100 * MAX_PERSON:.0f} %"
    )


def within_reach(points_px: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Keypoints [134, 2] as float64 without NaN, at most one picture outside of the picture; InputError for others."""
    if points_px.shape != (NUM_KEYPOINTS, 2):
        raise InputError(
            f"the pose has keypoints of shape {points_px.shape}; a frame needs ({NUM_KEYPOINTS}, 2). "
            "Give one frame of a pose sequence."
        )
    size = np.array([width_px, height_px], np.float64)
    return np.clip(np.nan_to_num(points_px.astype(np.float64), posinf=1e6, neginf=-1e6), -size, 2 * size)


def checked_picture(picture: np.ndarray) -> np.ndarray:
    """The picture [H, W, 3] uint8, contiguous; InputError for another shape or type."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise InputError(
            f"the picture has shape {picture.shape} and type {picture.dtype}; the preview needs "
            f"[height, width, 3] uint8 RGB of at least {MIN_SIDE_PX} x {MIN_SIDE_PX} px. Convert it first."
        )
    if min(picture.shape[:2]) < MIN_SIDE_PX:
        height_px, width_px = picture.shape[:2]
        raise InputError(
            f"the picture is {width_px}x{height_px} px; the preview needs at least {MIN_SIDE_PX} px a side. Give a "
            "larger photo, or a larger long_side."
        )
    return np.ascontiguousarray(picture)


def checked_mask(mask: np.ndarray | None, height_px: int, width_px: int) -> np.ndarray | None:
    """The mask [H, W] as float32 within 0..1; InputError when it is not of the picture's size."""
    if mask is None:
        return None
    if mask.shape != (height_px, width_px):
        raise InputError(
            f"the person mask has shape {mask.shape}, the picture is {height_px} x {width_px} px; make "
            "the mask from the same picture, or leave it out to let the preview find the person."
        )
    return np.clip(np.nan_to_num(mask.astype(np.float32)), 0.0, 1.0)


def within(picture: np.ndarray, mask: np.ndarray | None, long_side_px: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Picture [H, W, 3] uint8 and its mask [H, W], made smaller until the long side fits; 0 = as they are.

    Raises InputError when the mask is not of the picture's size.
    """
    import cv2

    height_px, width_px = picture.shape[:2]
    mask = checked_mask(mask, height_px, width_px)
    if not 0 < long_side_px < max(height_px, width_px):
        return picture, mask
    zoom = long_side_px / max(height_px, width_px)
    size = max(1, round(zoom * width_px)), max(1, round(zoom * height_px))
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller, None if mask is None else cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
