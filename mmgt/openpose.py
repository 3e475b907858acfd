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
from .skeleton import (
    BODY,
    FACE,
    FEET,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    NUM_KEYPOINTS,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
    VISIBLE_SCORE,
)

log = logging.getLogger("mmgt")

BODY_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # 8 is the middle of the hips
FEET_FROM_BODY_25 = (19, 20, 21, 22, 23, 24)  # left big toe, small toe, heel, then right: COCO-WholeBody's order too
MAX_NORMALISED = 2.0  # coordinates that are mostly below are fractions of the canvas, not pixels
EXACT_POINTS = "mmgt_keypoints_2d"  # our own list: all 134 points with their scores, hidden ones too
UNCHANGED_PX = 0.01  # our own list counts only while the usual lists still say the same
EXPECTED = "POSE_KEYPOINT must be a list of frames, each with 'people', 'canvas_width' and 'canvas_height'"


def poses_from_openpose(frames: Any, person_idx: int = 0, fps: float = POSE_FPS) -> PoseSequence:
    """One person of every frame as a pose sequence on the first frame's canvas.

    Frames without that person are filled by interpolation between their neighbours, and reported in the log. Raises
    InputError for anything that is no POSE_KEYPOINT, or where the person is in no frame.
    """
    if isinstance(frames, Mapping):
        frames = [frames]
    if not isinstance(frames, Sequence) or isinstance(frames, str) or not frames:
        raise InputError(f"this is {type(frames).__name__}, not poses; {EXPECTED}.")
    people = [_people(frame, t) for t, frame in enumerate(frames)]
    most_people = max(len(in_frame) for in_frame in people)
    if most_people and not 0 <= person_idx < most_people:
        raise InputError(
            f"person {person_idx} was asked for, but no frame of POSE_KEYPOINT has more than {most_people}; choose a "
            f"person_index of 0..{most_people - 1}."
        )
    points = [
        _person(in_frame[person_idx], t) if 0 <= person_idx < len(in_frame) else None
        for t, in_frame in enumerate(people)
    ]
    seen = [t for t, person in enumerate(points) if person is not None]
    if not seen:
        raise InputError(
            f"person {person_idx} is in none of the {len(frames)} frames of POSE_KEYPOINT; choose another "
            "person_index, or check that the detector found somebody."
        )
    if len(seen) < len(frames):
        log.warning(
            "person %d is missing in %d of %d frames; interpolated", person_idx, len(frames) - len(seen), len(frames)
        )
    width_px, height_px = _canvas(frames[0], 0)
    known = np.stack([person for person in points if person is not None])  # [S, 134, 3]
    # Of a person in pixels half of the coordinates are far above 2; single fractions may be, outside of the canvas.
    shown = known[..., 2] > 0
    if np.median(np.abs(known[shown if shown.any() else ..., :2])) > MAX_NORMALISED:
        known[..., :2] /= np.array([_canvas(frames[t], t) for t in seen])[:, None]
    filled = torch.from_numpy(_fill_gaps(known, seen, len(frames))).float()
    return PoseSequence(filled[..., :2], filled[..., 2], float(fps), height_px, width_px)


def poses_to_openpose(poses: PoseSequence) -> list[dict[str, Any]]:
    """A sequence as POSE_KEYPOINT: one person a frame, 18 body and 70 face points, pixels of the canvas.

    As other packs expect it, visible points have the score 1 and hidden ones are 0, 0, 0. Beside these lists every
    person carries all points as they are, so that reading them back loses nothing.
    """
    exact = torch.cat([poses.pixels, poses.score[..., None]], dim=-1).double()  # [T, 134, 3]
    points = torch.cat([poses.pixels, torch.ones_like(poses.score)[..., None]], dim=-1)
    points = points * (poses.score >= VISIBLE_SCORE)[..., None]
    face = [*FACE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE]
    return [
        {
            "people": [
                {
                    "pose_keypoints_2d": _flat(frame, BODY),
                    "foot_keypoints_2d": _flat(frame, FEET),
                    "face_keypoints_2d": _flat(frame, face),
                    "hand_left_keypoints_2d": _flat(frame, LEFT_HAND),
                    "hand_right_keypoints_2d": _flat(frame, RIGHT_HAND),
                    EXACT_POINTS: exact_frame.flatten().tolist(),
                }
            ],
            "canvas_height": poses.height_px,
            "canvas_width": poses.width_px,
        }
        for frame, exact_frame in zip(points.double().numpy(), exact.numpy(), strict=True)
    ]


def _flat(frame: np.ndarray, points: Sequence[int]) -> list[float]:
    return frame[list(points)].flatten().tolist()


def _canvas(frame: Mapping[str, Any], t: int) -> tuple[int, int]:
    """Width and height in pixels."""
    try:
        width = frame["canvas_width"] if "canvas_width" in frame else frame["canvasWidth"]
        height = frame["canvas_height"] if "canvas_height" in frame else frame["canvasHeight"]
        size = round(float(width)), round(float(height))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"frame {t} has no canvas size; {EXPECTED}.") from error
    if min(size) < 1:
        raise InputError(f"frame {t} has a canvas of {size[0]}x{size[1]} px; it must be at least 1x1; {EXPECTED}.")
    return size


def _people(frame: Any, t: int) -> Sequence[Any]:
    people = frame.get("people") if isinstance(frame, Mapping) else None
    if not isinstance(people, Sequence) or isinstance(people, str):
        raise InputError(f"frame {t} has no list of people; {EXPECTED}.")
    return people


def _person(person: Any, t: int) -> np.ndarray | None:
    """[134, 3] x, y in the frame's own unit and score 0..1; None where no point is known."""
    body = _part(person, "pose_keypoints_2d", (18, 25), t)
    feet = _part(person, "foot_keypoints_2d", (6,), t)
    face = _part(person, "face_keypoints_2d", (68, 70), t)
    left, right = (_part(person, f"hand_{side}_keypoints_2d", (21,), t) for side in ("left", "right"))
    points = np.zeros((NUM_KEYPOINTS, 3))
    if body is not None and len(body) == 25:
        body, feet = body[list(BODY_FROM_BODY_25)], body[list(FEET_FROM_BODY_25)]
    for part, region in ((body, BODY), (feet, FEET), (face, FACE), (left, LEFT_HAND), (right, RIGHT_HAND)):
        if part is not None:
            points[region.start : region.stop] = part[: len(region)]
    points[~np.isfinite(points).all(axis=-1)] = 0  # null coordinates: a missing point
    points[:, 2] = points[:, 2].clip(0, 1)
    exact, shown = _part(person, EXACT_POINTS, (NUM_KEYPOINTS,), t), points[:, 2] > 0
    if exact is not None and np.abs(exact[shown, :2] - points[shown, :2]).max(initial=0) <= UNCHANGED_PX:
        return exact
    return points if points[:, 2].any() else None


def _part(person: Any, name: str, counts: tuple[int, ...], t: int) -> np.ndarray | None:
    """[N, 3] of one body part, or None where it is missing."""
    values = person.get(name) if isinstance(person, Mapping) else None
    if values is None:
        return None
    try:
        part = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"frame {t}: {name} holds something that is no number; {EXPECTED}.") from error
    if part.size == 0:
        return None
    if part.size not in [3 * count for count in counts]:
        allowed = " or ".join(str(count) for count in counts)
        raise InputError(f"frame {t}: {name} has {part.size} numbers; it must hold x, y, score of {allowed} points.")
    return part.reshape(-1, 3)


def _fill_gaps(seen_points: np.ndarray, seen: list[int], num_frames: int) -> np.ndarray:
    """[S, 134, 3] at frames ``seen`` -> [num_frames, 134, 3]: linear in between, held at the ends.

    A point that is missing (score 0) beside a gap has no place to come from or go to: it takes its other end's.
    """
    t = np.arange(num_frames)
    after = np.searchsorted(seen, t).clip(max=len(seen) - 1)  # the seen frame at or behind t
    before = np.where(np.take(seen, after) > t, after - 1, after).clip(min=0)
    start, stop = np.take(seen, before), np.take(seen, after)
    weight = ((t - start) / np.maximum(stop - start, 1)).clip(0, 1)[:, None, None]  # [num_frames, 1, 1]
    first, last = seen_points[before].copy(), seen_points[after].copy()
    first_missing, last_missing = first[..., 2] == 0, last[..., 2] == 0
    first[first_missing, :2], last[last_missing, :2] = last[first_missing, :2], first[last_missing, :2]
    return (1 - weight) * first + weight * last
