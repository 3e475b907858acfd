"""POSE_KEYPOINT (the OpenPose list of frames of other packs) <-> PoseSequence.

A frame is {"people": [...], "canvas_width", "canvas_height"}; a person has flat lists x, y, score of 18 or 25 body,
68 or 70 face and 21 + 21 hand points, any of which may be missing. Coordinates are pixels of the canvas, or 0..1.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from .errors import InputError
from .poses import POSE_FPS, PoseSequence
from .skeleton import BODY, FACE, LEFT_EYE_CENTRE, LEFT_HAND, NUM_KEYPOINTS, RIGHT_EYE_CENTRE, RIGHT_HAND

log = logging.getLogger("mmgt")

NUM_FACE_POINTS = len(FACE)  # OpenPose adds the two eye centres behind them: 70
BODY_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # 8 is the middle of the hips
FEET_FROM_BODY_25 = (19, 20, 21, 22, 23, 24)  # left big toe, small toe, heel, then right: COCO-WholeBody's order too
MAX_NORMALISED = 2.0  # coordinates up to here are fractions of the canvas, not pixels
EXPECTED = "POSE_KEYPOINT must be a list of frames, each with 'people', 'canvas_width' and 'canvas_height'"


def poses_from_openpose(frames: Any, person_idx: int = 0, fps: float = POSE_FPS) -> PoseSequence:
    """One person of every frame as a pose sequence.

    Frames without that person are filled by interpolation between their neighbours, and reported in the log. Raises
    InputError for anything that is no POSE_KEYPOINT, or where the person is in no frame.
    """
    if isinstance(frames, Mapping):
        frames = [frames]
    if not isinstance(frames, Sequence) or isinstance(frames, str) or not frames:
        raise InputError(f"this is {type(frames).__name__}, not poses; {EXPECTED}.")
    width_px, height_px = _canvas(frames[0])
    points = [_person(frame, t, person_idx, width_px, height_px) for t, frame in enumerate(frames)]
    seen = [t for t, person in enumerate(points) if person is not None]
    if not seen:
        raise InputError(
            f"person {person_idx} is in none of the {len(frames)} frames of POSE_KEYPOINT; choose a smaller "
            "person_index, or check that the detector found somebody."
        )
    if len(seen) < len(frames):
        log.warning(
            "person %d is missing in %d of %d frames; interpolated", person_idx, len(frames) - len(seen), len(frames)
        )
    filled = _fill_gaps(np.stack([points[t] for t in seen]), seen, len(frames))  # type: ignore[misc]
    tensor = torch.from_numpy(filled)
    return PoseSequence.from_pixels(tensor[..., :2], tensor[..., 2], height_px=height_px, width_px=width_px, fps=fps)


def poses_to_openpose(poses: PoseSequence) -> list[dict[str, Any]]:
    """A sequence as POSE_KEYPOINT: one person a frame, 18 body and 70 face points, pixels of the canvas.

    Points of score 0 are written as 0, 0, 0, as the format asks for missing points.
    """
    points = torch.cat([poses.pixels, poses.score[..., None]], dim=-1)
    points = points * (poses.score > 0)[..., None]  # [T, 134, 3]
    face = [*FACE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE]
    return [
        {
            "people": [
                {
                    "pose_keypoints_2d": _flat(frame, BODY),
                    "foot_keypoints_2d": _flat(frame, range(BODY.stop, FACE.start)),
                    "face_keypoints_2d": _flat(frame, face),
                    "hand_left_keypoints_2d": _flat(frame, LEFT_HAND),
                    "hand_right_keypoints_2d": _flat(frame, RIGHT_HAND),
                }
            ],
            "canvas_height": poses.height_px,
            "canvas_width": poses.width_px,
        }
        for frame in points.double().numpy()
    ]


def _flat(frame: np.ndarray, points: Sequence[int]) -> list[float]:
    return frame[list(points)].flatten().tolist()


def _canvas(frame: Any) -> tuple[int, int]:
    try:
        width = frame["canvas_width"] if "canvas_width" in frame else frame["canvasWidth"]
        height = frame["canvas_height"] if "canvas_height" in frame else frame["canvasHeight"]
        return round(float(width)), round(float(height))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the first frame has no canvas size; {EXPECTED}.") from error


def _person(frame: Any, t: int, person_idx: int, width_px: int, height_px: int) -> np.ndarray | None:
    """[134, 3] pixels and score, or None where the person is not in the frame."""
    people = frame.get("people") if isinstance(frame, Mapping) else None
    if not isinstance(people, Sequence):
        raise InputError(f"frame {t} has no list of people; {EXPECTED}.")
    if person_idx >= len(people):
        return None
    person = people[person_idx]
    body = _part(person, "pose_keypoints_2d", (18, 25), t)
    feet = _part(person, "foot_keypoints_2d", (6,), t)
    face = _part(person, "face_keypoints_2d", (68, 70), t)
    left, right = (_part(person, f"hand_{side}_keypoints_2d", (21,), t) for side in ("left", "right"))
    points = np.zeros((NUM_KEYPOINTS, 3))
    if body is not None and len(body) == 25:
        body, feet = body[list(BODY_FROM_BODY_25)], body[list(FEET_FROM_BODY_25)]
    for part, region in ((body, BODY), (feet, range(18, 24)), (face, FACE), (left, LEFT_HAND), (right, RIGHT_HAND)):
        if part is not None:
            points[region.start : region.stop] = part[: len(region)]
    if not (points[:, 2] > 0).any():
        return None
    if np.abs(points[:, :2]).max() <= MAX_NORMALISED:
        points[:, :2] *= (width_px, height_px)
    return points


def _part(person: Any, name: str, counts: tuple[int, ...], t: int) -> np.ndarray | None:
    """[N, 3] of one body part, or None where it is missing."""
    values = person.get(name) if isinstance(person, Mapping) else None
    if values is None or len(values) == 0:
        return None
    try:
        part = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"frame {t}: {name} holds something that is no number; {EXPECTED}.") from error
    if part.size not in [3 * count for count in counts]:
        allowed = " or ".join(str(count) for count in counts)
        raise InputError(f"frame {t}: {name} has {part.size} numbers; it must hold x, y, score of {allowed} points.")
    return part.reshape(-1, 3)


def _fill_gaps(seen_points: np.ndarray, seen: list[int], num_frames: int) -> np.ndarray:
    """[S, 134, 3] at frames ``seen`` -> [num_frames, 134, 3], linear in between and held at the ends."""
    t = np.arange(num_frames)
    flat = seen_points.reshape(len(seen), -1)
    filled = np.stack([np.interp(t, seen, channel) for channel in flat.T], axis=1)
    return filled.reshape(num_frames, NUM_KEYPOINTS, 3)
