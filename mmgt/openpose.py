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
from .people import Detection
from .people.tracking import follow
from .poses import MAX_SIDE_PX, POSE_FPS, PoseSequence
from .poses.skeleton import (
    BODY,
    FACE,
    FEET,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    NUM_KEYPOINTS,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
)

logger = logging.getLogger("mmgt")

BODY_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)  # 8 is the middle of the hips
FEET_FROM_BODY_25 = (19, 20, 21, 22, 23, 24)  # left big toe, small toe, heel, then right: COCO-WholeBody's order too
MAX_NORMALISED = 2.0  # coordinates that are mostly below are fractions of the canvas, not pixels
EXACT_POINTS = "mmgt_keypoints_2d"  # our own list: all 134 points with their scores, hidden ones too
FARTHEST_PX = 10.0 * MAX_SIDE_PX  # from a picture's corner; numbers beyond are no place
UNCHANGED_PX = 0.01  # our own list counts only while the usual lists still say the same
CUT_SIZES = 1.0  # where everybody is further than this many sizes from everybody before, a new shot begins
NO_CANVAS = (
    "give the size in px of the picture that was looked at, as canvas_width and canvas_height of the node or in the "
    "frame, or as `--canvas WIDTHxHEIGHT` on the command line"
)
EXPECTED = "POSE_KEYPOINT must be a list of frames, each with 'people', 'canvas_width' and 'canvas_height'"


def is_openpose(data: Any) -> bool:
    """Whether JSON looks like POSE_KEYPOINT: a frame, or a list of frames, with people in it."""
    frame = data[0] if isinstance(data, list) and data else data
    return isinstance(frame, Mapping) and "people" in frame


def poses_from_openpose(
    frames: Any, person_index: int = 0, fps: float = POSE_FPS, canvas: tuple[int, int] | None = None
) -> PoseSequence:
    """One person of the frames as a pose sequence on the first frame's canvas.

    person_index: their place in the first frame that shows so many; from there they are followed by where they are,
    since detectors list people in any order. canvas: width and height in px where a frame does not say its own, as in
    OpenPose's own files. Frames without that person are filled by interpolation between their neighbours, and reported
    in the log. Raises InputError for anything that is no POSE_KEYPOINT, or where the person is in no frame.
    """
    frames = _frames(frames)
    listed = [_people(frame, t) for t, frame in enumerate(frames)]
    most_people = max(map(len, listed))
    if most_people and not 0 <= person_index < most_people:
        raise InputError(
            f"person {person_index} was asked for, but no frame of POSE_KEYPOINT has more than {most_people}; choose a "
            f"person_index of 0..{most_people - 1}."
        )
    people = [[_person(person, t) for person in in_frame] for t, in_frame in enumerate(listed)]
    start = next((t for t, p in enumerate(people) if len(p) > person_index and p[person_index] is not None), None)
    if start is None:
        raise InputError(
            f"person {person_index} is in none of the {len(frames)} frames of POSE_KEYPOINT; choose another "
            "person_index, or check that the detector found somebody."
        )
    sizes = np.array([_canvas(frame, t, canvas) for t, frame in enumerate(frames)])  # [T, 2] width, height in px
    known = [[person for person in in_frame if person is not None] for in_frame in people]
    _as_fractions(known, sizes)
    row = sum(person is not None for person in people[start][:person_index])
    rows = _follow(known, sizes[0], start, row, fps)
    seen = [t for t, row in enumerate(rows) if row >= 0]
    if len(seen) < len(frames):
        logger.warning(
            "person %d is missing in %d of %d frames; interpolated", person_index, len(frames) - len(seen), len(frames)
        )
    filled = _fill_gaps(np.stack([known[t][rows[t]] for t in seen]), seen, len(frames))
    points, (width_px, height_px) = torch.from_numpy(filled).float(), sizes[0].tolist()
    return PoseSequence(points[..., :2], points[..., 2], float(fps), height_px, width_px)


def detections_of_openpose(frames: Any, canvas: tuple[int, int] | None = None) -> list[Detection]:
    """Everybody in every frame, as a detector would have seen them, on the first frame's canvas.

    canvas: as of ``poses_from_openpose``. Raises InputError for anything that is no POSE_KEYPOINT.
    """
    frames = _frames(frames)
    people = [[_person(person, t) for person in _people(frame, t)] for t, frame in enumerate(frames)]
    known = [[person for person in in_frame if person is not None] for in_frame in people]
    sizes = np.array([_canvas(frame, t, canvas) for t, frame in enumerate(frames)])
    if any(known):
        _as_fractions(known, sizes)
    return [_detection(in_frame, sizes[0]) for in_frame in known]


def _frames(frames: Any) -> Sequence[Any]:
    if isinstance(frames, Mapping):
        return [frames]
    if not isinstance(frames, Sequence) or isinstance(frames, str) or not frames:
        raise InputError(f"this is {type(frames).__name__}, not poses; {EXPECTED}.")
    return frames


def _as_fractions(people: list[list[np.ndarray]], sizes: np.ndarray) -> None:
    """Divide everybody's points by their frame's canvas, in place, unless they are fractions of it already."""
    points = np.concatenate([person for in_frame in people for person in in_frame])  # [N, 3]
    # Of a person in pixels half of the coordinates are far above 2; single fractions may be, outside of the canvas.
    shown = points[:, 2] > 0
    if np.median(np.abs(points[shown if shown.any() else ..., :2])) > MAX_NORMALISED:
        for in_frame, size in zip(people, sizes, strict=True):
            for person in in_frame:
                person[:, :2] /= size


def _follow(people: list[list[np.ndarray]], size: np.ndarray, start: int, row: int, fps: float) -> list[int]:
    """The place of the person of frame ``start`` and ``row`` in every frame, -1 where they are not seen."""
    if max(map(len, people)) == 1:  # nobody to be taken for another, however far they move
        return [len(in_frame) - 1 for in_frame in people]
    seen = [_detection(in_frame, size) for in_frame in people]
    return follow(seen, np.arange(len(people)) / fps, _shots(seen), start, row).tolist()


def _detection(people: list[np.ndarray], size: np.ndarray) -> Detection:
    """People [134, 3] in fractions as a detector would have seen them on a picture of that width and height."""
    points = np.stack(people) if people else np.zeros((0, NUM_KEYPOINTS, 3))
    keypoints_px, score = points[..., :2] * size, points[..., 2]
    boxes = [
        np.concatenate([shown.min(axis=0), shown.max(axis=0)])
        for shown in (xy[s > 0] for xy, s in zip(keypoints_px, score, strict=True))
    ]
    width_px, height_px = size.tolist()
    return Detection(
        np.array(boxes).reshape(-1, 4), score.mean(axis=-1), keypoints_px, score.astype(np.float32), height_px, width_px
    )


def _shots(seen: Sequence[Detection]) -> np.ndarray:
    """The number of each frame's shot [T]: a new one where nobody is near to where somebody was."""
    shots, before = [0], seen[0]
    for people in seen[1:]:
        is_cut = False
        if before.num_people and people.num_people:
            ends_0, ends_1 = (p.boxes_px.reshape(-1, 2, 2) for p in (before, people))
            px = np.linalg.norm(ends_0.mean(axis=1)[:, None] - ends_1.mean(axis=1)[None], axis=-1)
            size_px = np.sqrt((ends_0[:, 1] - ends_0[:, 0]).prod(axis=-1)).max()
            is_cut = bool(px.min() > CUT_SIZES * max(1.0, size_px))
        shots.append(shots[-1] + is_cut)
        before = people if people.num_people else before
    return np.array(shots)


def poses_to_openpose(poses: PoseSequence) -> list[dict[str, Any]]:
    """A sequence as POSE_KEYPOINT: one person a frame, 18 body and 70 face points, pixels of the canvas.

    As other packs expect it, visible points have the score 1 and hidden ones are 0, 0, 0. Beside these lists every
    person carries all points as they are, so that reading them back loses nothing.
    """
    exact = torch.cat([poses.pixels, poses.score[..., None]], dim=-1).double()  # [T, 134, 3]
    points = torch.cat([poses.pixels, torch.ones_like(poses.score)[..., None]], dim=-1)
    points = points * poses.visible[..., None]
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


def _canvas(frame: Mapping[str, Any], t: int, otherwise: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height in pixels."""
    width, height = (frame.get(f"canvas_{side}", frame.get(f"canvas{side.title()}")) for side in ("width", "height"))
    if width is None and height is None and otherwise is not None:
        width, height = otherwise
    try:
        size = round(float(width)), round(float(height))  # type: ignore[arg-type]  # None is a TypeError
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"frame {t} has no canvas size; {NO_CANVAS}.") from error
    if not 1 <= min(size) <= max(size) <= MAX_SIDE_PX:
        raise InputError(
            f"frame {t} has a canvas of {size[0]}x{size[1]} px; each side must be 1 to {MAX_SIDE_PX} px; {EXPECTED}."
        )
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
    is_place = np.isfinite(points).all(axis=-1) & (np.abs(points[:, :2]) <= FARTHEST_PX).all(axis=-1)
    points[~is_place] = 0  # null coordinates, or beyond all pictures: a missing point
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
    except (TypeError, ValueError, OverflowError) as error:
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
