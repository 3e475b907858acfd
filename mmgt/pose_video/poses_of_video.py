"""Video -> the poses of one person in it: detect, follow, fill what is missing, smooth, at 25 frames a second."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..detect import detect_each
from ..errors import InputError
from ..people import Detection, Detector, PersonOrder, check_person_order
from ..people.tracking import NOT_SEEN, first_choice, follow
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import LIPS, NUM_KEYPOINTS
from ..windows import stretches
from .gaps import HELD, INTERPOLATED, Sightings, fill, shown_at
from .shots import shot_numbers, thumbnail
from .smoothing import smooth

logger = logging.getLogger("mmgt")

LIPS_SMOOTHING = 1 / 3  # of the other points': syllables are as quick and small as jitter
OTHER_SHARE = 0.1  # of the largest person's area: who is smaller is a picture on the wall
MAX_LISTED = 6  # spans that a report writes out

Span = tuple[float, float]  # from, to, in s of the video


@dataclass(frozen=True)
class PoseVideoSettings:
    """Whom to follow, and how to mend the track.

    person, person_index: as ``people.choose_person`` counts them, in the first frame that shows enough people.
    max_gap_s: what is missing for up to this many s is interpolated. smoothing: 0 = none, 1 = usual (see
    ``smoothing.smooth``). Raises InputError for other values.
    """

    person: PersonOrder = "largest"
    person_index: int = 0
    max_gap_s: float = 0.5
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        check_person_order(self.person)
        for name, value in (("max_gap", self.max_gap_s), ("smoothing", self.smoothing)):
            if not 0 <= value < math.inf:
                raise InputError(f"{name} is {value:g}; it must be at least 0 (0 = none).")


@dataclass(frozen=True)
class PoseVideoReport:
    """What was seen, and what was made up where nothing was.

    detector: which kind looked. num_frames: frames of the video; num_seen: those that show the person; most_people: in
    one frame. interpolated_s: gaps that were bridged. held_s: where the pose stands still, in longer gaps, at the
    video's ends and beside cuts. cuts_s: where a new shot begins. crowded_s: where more than one person is seen; who is
    tiny beside the largest does not count.
    """

    detector: str
    num_frames: int
    num_seen: int
    most_people: int
    interpolated_s: tuple[Span, ...]
    held_s: tuple[Span, ...]
    cuts_s: tuple[float, ...]
    crowded_s: tuple[Span, ...] = ()

    def __str__(self) -> str:
        lines = [f"the person was found in {self.num_seen} of {self.num_frames} frames by {self.detector}"]
        for what, spans in (("interpolated", self.interpolated_s), ("held still", self.held_s)):
            if spans:
                seconds = sum(stop - start for start, stop in spans)
                words = _listed([f"{start:.2f}-{stop:.2f} s" for start, stop in spans])
                lines.append(f"{what} for {seconds:.2f} s in all: {words}")
        if self.cuts_s:
            lines.append(f"cuts at {_listed([f'{cut:.2f} s' for cut in self.cuts_s])}")
        if self.most_people > 1:
            lines.append(f"up to {self.most_people} people in a frame")
        return "\n".join(lines)


def _listed(words: list[str]) -> str:
    more = len(words) - MAX_LISTED
    return ", ".join(words[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def poses_of_video(
    detector: Detector,
    frames: Iterable[tuple[float, np.ndarray]],
    num_frames: int,
    settings: PoseVideoSettings = PoseVideoSettings(),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PoseSequence, PoseVideoReport]:
    """One person's poses at 25 fps on the first frame's size, and a report of what was made up of them.

    frames: times in s, rising from 0, and pictures [H, W, 3] uint8 RGB; taken one by one and not kept (see
    ``media.VideoStream``). num_frames: how many there are, for the progress. progress(step, total) may raise to cancel.
    Raises InputError if nobody is found, or never as many people as asked for.
    """
    people, times_s, shots = _detect(detector, frames, num_frames, progress)
    rows = follow(people, times_s, shots, *first_choice(people, settings.person, settings.person_index))
    seen = np.flatnonzero(rows != NOT_SEEN)
    size = np.array([people[0].width_px, people[0].height_px])
    sightings = Sightings(
        seen,
        np.stack([people[t].keypoints_px[rows[t]] / (people[t].width_px, people[t].height_px) * size for t in seen]),
        np.stack([people[t].score[rows[t]] for t in seen]).astype(np.float64),
        times_s,
        shots,
    )
    boxes = np.stack([people[t].boxes_px[rows[t]] for t in seen])
    person_px = max(1.0, float(np.median(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1)))))
    step_s = times_s[-1] / (len(times_s) - 1) if len(times_s) > 1 else 1 / POSE_FPS
    num_poses = max(1, math.ceil(round((times_s[-1] + step_s) * POSE_FPS, 6)))
    poses_s = np.arange(num_poses) / POSE_FPS
    points, score, state = fill(sightings, poses_s, settings.max_gap_s)
    starts = _places(poses_s, times_s[np.flatnonzero(np.diff(shots)) + 1])
    strength = np.full(NUM_KEYPOINTS, float(settings.smoothing))
    strength[list(LIPS)] *= LIPS_SMOOTHING
    points = np.concatenate([smooth(shot, POSE_FPS, person_px, strength) for shot in np.split(points, starts)])
    report = PoseVideoReport(
        type(detector).__name__,
        len(people),
        len(seen),
        max(in_frame.num_people for in_frame in people),
        _spans(state == INTERPOLATED),
        _spans(state == HELD),
        tuple(times_s[np.flatnonzero(np.diff(shots)) + 1].tolist()),
        _spans(np.array([_is_crowded(in_frame) for in_frame in people])[shown_at(times_s, poses_s)]),
    )
    logger.log(logging.WARNING if len(seen) < len(people) else logging.INFO, "%s", str(report).replace("\n", "; "))
    poses = PoseSequence.from_pixels(
        torch.from_numpy(points), torch.from_numpy(score), height_px=people[0].height_px, width_px=people[0].width_px
    )
    return poses, report


def _places(times_s: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    """The first of the times that is not before each wanted one, as ``gaps.fill`` counts it."""
    return np.searchsorted(times_s + 1e-6, wanted_s)


def _is_crowded(people: Detection) -> bool:
    x0, y0, x1, y1 = people.boxes_px.T
    areas = (x1 - x0) * (y1 - y0)
    return bool((areas > OTHER_SHARE * areas.max(initial=0)).sum() > 1)


def _spans(is_inside: np.ndarray) -> tuple[Span, ...]:
    """Runs of poses as spans of time."""
    return tuple((start / POSE_FPS, stop / POSE_FPS) for start, stop in stretches(is_inside))


def _detect(
    detector: Detector,
    frames: Iterable[tuple[float, np.ndarray]],
    num_frames: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Detection], np.ndarray, np.ndarray]:
    """Everybody in every frame, the frames' times [T] and the numbers of their shots [T]."""
    times_s: list[float] = []
    thumbnails: list[np.ndarray] = []

    def pictures() -> Iterator[np.ndarray]:
        for time_s, picture in frames:
            times_s.append(time_s)
            thumbnails.append(thumbnail(picture))
            yield picture

    people: list[Detection] = []
    for found in detect_each(detector, pictures()):
        people.append(found)
        if progress is not None:
            progress(min(len(people), num_frames), num_frames)
    if not people:
        raise InputError("the video has no frames; give one with at least one picture.")
    return people, np.array(times_s), shot_numbers(np.stack(thumbnails))
