"""Keep parts of a given pose track while a network makes the rest anew, so that it fits.

SMGA replaces what is kept in every predicted x0 (``in_vectors``: RePaint, arXiv 2201.09865); Contextual Gesture (arXiv
2502.07239) is given its tokens. What is new is joined to what is kept (``laid_over``): in space where it grows on it,
in time by an offset that fades out within a second.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import (
    FACE,
    LEFT_EAR,
    LEFT_EYE_CENTRE,
    LEFT_WRIST,
    LEGS,
    LIPS,
    NOSE,
    NUM_KEYPOINTS,
    RIGHT_EAR,
    RIGHT_EYE_CENTRE,
    RIGHT_WRIST,
)
from ..poses.vector import TrainingFrame
from ..windows import stretches
from .silence import smooth_step
from .tree import (
    FIRM_HEAD,
    HANDS,
    REGIONS,
    Region,
    fill_in_time,
    from_complex,
    similarity,
    to_complex,
)

logger = logging.getLogger("mmgt")

FADE_FRAMES = 25  # beside what is kept: an offset of d px adds at most 0.06 d px to the way from frame to frame

# A joint belongs to both sides: wrists stay with kept hands, the head's body points with a kept face.
KEPT_POINTS: dict[Region, list[int]] = {
    "body": REGIONS["body"],
    "hands": [*REGIONS["hands"], RIGHT_WRIST, LEFT_WRIST],
    "face": [*REGIONS["face"], NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR],
    "lips": REGIONS["lips"],
}

Spans = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class KeptTrack:
    """A given track as long as the speech, and what of it stays.

    poses: T frames at 25 fps on the initial pose's picture. kept: [T, 134] bool; what is not kept means nothing in it.
    """

    poses: PoseSequence
    kept: np.ndarray

    def in_vectors(self, frame: TrainingFrame) -> Callable[[Tensor], Tensor]:
        """x0 [T, 402] -> x0 with what is kept in its place and the rest joined to it.

        Hidden points and the legs, which SMGA does not see, are left to the network.
        """
        given = frame.vectors(self.poses).double().reshape(-1, NUM_KEYPOINTS, 3).numpy()
        shown = self.poses.visible.cpu().numpy().copy()
        shown[:, list(LEGS)] = False
        held = self.kept & shown
        given_z = given[..., 0] + 1j * given[..., 1]

        def replaced(x0: Tensor) -> Tensor:
            points = x0.cpu().double().reshape(-1, NUM_KEYPOINTS, 3).numpy().copy()
            points[..., :2] = from_complex(_joined(points[..., 0] + 1j * points[..., 1], given_z, self.kept, shown))
            points[..., 2] = np.where(held, given[..., 2], points[..., 2])
            return torch.from_numpy(points).reshape(x0.shape).to(x0)

        return replaced

    def laid_over(self, poses: PoseSequence) -> PoseSequence:
        """Sampled poses [T] with the given numbers and scores where they are kept, and the rest joined to them."""
        z, _ = to_complex(poses)
        given, shown = to_complex(self.poses)
        joined = from_complex(_joined(z, given, self.kept, shown)) / np.array([poses.width_px, poses.height_px])
        exact = self.kept.copy()
        exact[:, list(LIPS)] &= ~_with_new_head(self.kept)[:, None]
        keypoints = torch.where(
            torch.from_numpy(exact)[..., None], self.poses.keypoints.cpu(), torch.from_numpy(joined.astype(np.float32))
        )
        score = torch.where(torch.from_numpy(self.kept), self.poses.score.cpu(), poses.score.cpu())
        return replace(poses, keypoints=keypoints, score=score)


def kept_track(
    num_frames: int,
    initial_pose: PoseSequence,
    poses: PoseSequence | None = None,
    regions: Collection[str] = (),
    spans_s: Spans = (),
    start_pose: PoseSequence | None = None,
    end_pose: PoseSequence | None = None,
) -> KeptTrack:
    """What a sampler of poses shall keep in a recording of ``num_frames`` at 25 fps.

    poses: the given track, at any rate, on a picture of the initial pose's aspect. Of it stay the ``regions`` ("body",
    "hands", "face", "lips") at all times, and everything within ``spans_s``, (start, stop) in seconds, stop None = to
    the end. The speech decides the length: of a longer track the beginning counts, a shorter one keeps what it has.
    start_pose, end_pose: their first frame is kept whole as the first or last frame.

    Kept points stay where they are in the picture. Kept hands bring their wrists, a kept face the head's other points;
    only lips that are kept without face and body have no place of their own: they move with the new face.
    Raises InputError where nothing is kept or nothing is left, for an unknown region, spans outside of the recording or
    of the track, other aspects, and a start or end pose where something else is kept.
    """
    unknown = sorted(set(regions) - set(get_args(Region)))
    if unknown:
        raise InputError(f"region '{unknown[0]}' cannot be kept; choose from {', '.join(get_args(Region))}.")
    if poses is None and (regions or spans_s):
        raise InputError("regions or seconds are to be kept, but no poses are given to keep them of; give poses.")
    if poses is not None and not (regions or spans_s):
        raise InputError("poses are given, but nothing of them is kept; choose a region, or seconds such as '0-1.2'.")

    track = initial_pose.frames(0, 1).at([0] * num_frames)
    kept = np.zeros((num_frames, NUM_KEYPOINTS), dtype=bool)
    if poses is not None:
        poses = _on_picture(poses.at_fps(POSE_FPS), initial_pose, "the given track")
        given = min(poses.num_frames, num_frames)
        if given < num_frames:
            logger.info("the given poses last %d of %d frames: after them everything is new", given, num_frames)
        track = poses.at([min(t, given - 1) for t in range(num_frames)])
        for region in regions:
            kept[:given, KEPT_POINTS[region]] = True  # type: ignore[index]
        for span in spans_s:
            kept[_frames_of(span, num_frames, given)] = True
    for still, frame_idx, name in ((start_pose, 0, "start"), (end_pose, num_frames - 1, "end")):
        if still is None:
            continue
        if kept[frame_idx].any():
            raise InputError(
                f"a {name} pose is given, but the {'first' if name == 'start' else 'last'} frame keeps the given poses "
                f"already; disconnect the {name} pose, or keep fewer seconds and no region there."
            )
        still = still.still_on(initial_pose.height_px, initial_pose.width_px, f"the {name} pose")
        track.keypoints[frame_idx], track.score[frame_idx] = still.keypoints[0], still.score[0]
        kept[frame_idx] = True
    if not kept.any():
        raise InputError("nothing is kept; give poses with a region or seconds to keep, a start pose or an end pose.")
    if kept.all():
        raise InputError("everything is kept, so nothing is left to make anew; keep fewer regions or seconds.")
    return KeptTrack(track, kept)


def parse_spans(text: str) -> tuple[tuple[float, float | None], ...]:
    """Seconds as an artist writes them: "0-1.2, 3-" -> ((0.0, 1.2), (3.0, None)); "" -> (). Raises InputError."""
    spans = []
    for part in filter(None, (part.strip() for part in re.split(r"[,;\n]", text))):
        match = re.fullmatch(r"(\d+\.?\d*)\s*-\s*(\d+\.?\d*)?", part)
        if match is None:
            raise InputError(
                f"'{part}' is no span of seconds; write spans as 'start-stop', separated by commas, e.g. '0-1.2, 3-'."
            )
        spans.append((float(match[1]), None if match[2] is None else float(match[2])))
    return tuple(spans)


def _frames_of(span: tuple[float, float | None], num_frames: int, given_frames: int) -> slice:
    """The frames of a span in seconds, at least one."""
    start_s, stop_s = span
    named = f"{start_s:g}-{'' if stop_s is None else f'{stop_s:g}'} s"
    if start_s < 0 or (stop_s is not None and stop_s <= start_s):
        raise InputError(f"the kept span {named} is empty; it must begin at 0 or later and end after its beginning.")
    first = round(start_s * POSE_FPS)
    stop = num_frames if stop_s is None else max(first + 1, round(stop_s * POSE_FPS))
    if first >= num_frames or stop > num_frames:
        raise InputError(
            f"the kept span {named} leaves the recording, which lasts {num_frames / POSE_FPS:.2f} s; "
            f"'{start_s:g}-' keeps all up to the end."
        )
    if first >= given_frames:
        raise InputError(
            f"the kept span {named} begins after the given poses, which last {given_frames / POSE_FPS:.2f} s; "
            "keep seconds that they have."
        )
    return slice(first, min(stop, given_frames))


def _on_picture(poses: PoseSequence, initial_pose: PoseSequence, name: str) -> PoseSequence:
    poses.still_on(initial_pose.height_px, initial_pose.width_px, name)  # raises where the aspects differ
    return poses.sized(initial_pose.height_px, initial_pose.width_px)


# --- Joins


def _with_new_head(kept: np.ndarray) -> np.ndarray:
    """[T] bool: the lips are kept here, but not the head that carries them."""
    return kept[:, LIPS[0]] & ~kept[:, NOSE]


def _joined(new: np.ndarray, given: np.ndarray, kept: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """A new track with the kept points of the given one, and every other point joined to them.

    new, given: [T, 134] complex. kept, shown: [T, 134] bool; only what the given track shows holds anything. New hands
    go to kept wrists, a new face and new lips onto the kept head; then each point fades in from where it was kept.
    """
    held = kept & shown
    z = new.copy()
    head = shown[:, FIRM_HEAD].astype(np.float64)
    m, b, known = similarity(z[:, FIRM_HEAD], given[:, FIRM_HEAD], head)
    on_head = m[:, None] * z[:, FACE] + b[:, None]
    z[:, FACE] = _joined_in_time(z[:, FACE], on_head, np.repeat((kept[:, NOSE] & known)[:, None], len(FACE), axis=1))

    rest = [*REGIONS["body"], *REGIONS["face"]]
    z[:, rest] = _joined_in_time(z[:, rest], given[:, rest], held[:, rest])

    for _, wrist, hand in HANDS:
        hangs_on = _joined_in_time(new[:, [wrist]], new[:, [hand[0]]], held[:, [wrist]])  # its root, on a kept wrist
        fingers = _joined_in_time(new[:, hand] - hangs_on, given[:, hand] - z[:, [wrist]], held[:, hand])
        z[:, hand] = z[:, [wrist]] + fingers

    lips = given[:, LIPS]
    moved = _with_new_head(kept)
    m, b, known = similarity(given[:, FIRM_HEAD], z[:, FIRM_HEAD], head)
    if moved.any() and known.any():
        m, b = fill_in_time(m, known), fill_in_time(b, known)
        lips = np.where(moved[:, None], m[:, None] * lips + b[:, None], lips)
    z[:, LIPS] = _joined_in_time(z[:, LIPS], lips, held[:, LIPS])
    return z


def _joined_in_time(new: np.ndarray, given: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[T, N] complex: the given points where they are known, else the new ones, moved to meet them.

    Beside known frames the new points are offset so that the first way over the join is as long as their own next one;
    the offset fades out smoothly over FADE_FRAMES, or over the gap where that is shorter.
    """
    joined = np.where(known, given, new)
    alike: dict[bytes, list[int]] = {}  # points that are known at the same times
    for point in range(known.shape[1]):
        alike.setdefault(known[:, point].tobytes(), []).append(point)
    for points in alike.values():
        times = known[:, points[0]]
        for start, stop in stretches(~times):
            num_frames = stop - start
            fade = 1 - smooth_step(np.arange(1, num_frames + 1) / (min(FADE_FRAMES, num_frames) + 1))[:, None]
            pace = min(1.0, (num_frames - 1) / FADE_FRAMES)  # a short gap has its way from the frames beside it
            if start > 0:
                way = pace * (new[min(start + 1, stop - 1), points] - new[start, points])
                joined[start:stop, points] += fade * (given[start - 1, points] + way - new[start, points])
            if stop < len(known):
                way = pace * (new[stop - 1, points] - new[max(stop - 2, start), points])
                joined[start:stop, points] += fade[::-1] * (given[stop, points] - way - new[stop - 1, points])
    return joined
