"""How the people of a set stand and move, in numbers that compare sets, speakers and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..poses import PoseSequence
from ..poses.skeleton import (
    FACE,
    LEFT_EYE,
    LEFT_HAND,
    LEFT_WRIST,
    LOWER_INNER_LIP,
    NECK,
    NOSE,
    RIGHT_EYE,
    RIGHT_HAND,
    RIGHT_WRIST,
    UPPER_INNER_LIP,
)


@dataclass(frozen=True)
class PoseStatistics:
    """Means over all frames, and ranges (5 % to 95 % of the frames).

    seconds of all sequences. eye_distance: in shares of the picture's width. eyes_x, eyes_y: where the face is, in
    shares of the picture. face_seen, hands_seen: share of these points that are visible. In eye distances:
    lip_gap, how far the inner lips are apart; and a second, lip_speed, head_speed (nose against neck) and hand_speed
    (wrists against neck).
    """

    seconds: float
    eye_distance: float
    eyes_x: tuple[float, float]
    eyes_y: tuple[float, float]
    face_seen: float
    hands_seen: float
    lip_gap: float
    lip_gap_range: tuple[float, float]
    lip_speed: float
    head_speed: float
    hand_speed: float


def lip_gap(poses: PoseSequence) -> np.ndarray:
    """[T]: distance of the inner lips' middles in eye distances."""
    xy_px = poses.pixels.double().numpy()
    return _distance(xy_px[:, LOWER_INNER_LIP] - xy_px[:, UPPER_INNER_LIP]) / _eye_distance(xy_px)


def pose_statistics(sequences: Iterable[PoseSequence]) -> PoseStatistics:
    """Of one or more sequences."""
    seconds, columns = 0.0, []
    for poses in sequences:
        seconds += poses.seconds
        columns.append(_of_frames(poses))
    eyes_px, x, y, face, hands, gap, lip_speed, head_speed, hand_speed = np.concatenate(columns, axis=1)
    return PoseStatistics(
        seconds, eyes_px.mean(), _range(x), _range(y), face.mean(), hands.mean(), gap.mean(), _range(gap),
        lip_speed.mean(), head_speed.mean(), hand_speed.mean(),
    )  # fmt: skip


def _of_frames(poses: PoseSequence) -> np.ndarray:
    """[9, T]: every number of a frame; speeds are towards the next frame, of the last one as of the one before."""
    xy_px, seen = poses.pixels.double().numpy(), poses.visible.numpy()
    unit_px, gap = _eye_distance(xy_px), lip_gap(poses)
    eyes = xy_px[:, [*RIGHT_EYE, *LEFT_EYE]].mean(axis=1) / (poses.width_px, poses.height_px)
    head = _speed(xy_px[:, NOSE] - xy_px[:, NECK], poses.fps) / unit_px
    wrists = [_speed(xy_px[:, wrist] - xy_px[:, NECK], poses.fps) / unit_px for wrist in (RIGHT_WRIST, LEFT_WRIST)]
    lips = _speed(gap[:, None], poses.fps)
    hands = seen[:, [*LEFT_HAND, *RIGHT_HAND]].mean(axis=1)
    face = seen[:, FACE.start : FACE.stop].mean(axis=1)
    return np.stack(
        [unit_px / poses.width_px, *eyes.T, face, hands, gap, lips, head, np.mean(wrists, axis=0)]
    )  # fmt: skip


def _eye_distance(xy_px: np.ndarray) -> np.ndarray:
    """[T] px: the median of a sequence, as a head that turns does not shrink."""
    across = xy_px[:, list(LEFT_EYE)].mean(axis=1) - xy_px[:, list(RIGHT_EYE)].mean(axis=1)
    return np.full(len(xy_px), max(float(np.median(_distance(across))), 1e-6))


def _distance(way: np.ndarray) -> np.ndarray:
    return np.sqrt((way**2).sum(axis=-1))


def _speed(places: np.ndarray, fps: float) -> np.ndarray:
    """[T, N] -> [T] a second."""
    if len(places) < 2:
        return np.zeros(len(places))
    steps = _distance(np.diff(places, axis=0)) * fps
    return np.append(steps, steps[-1])


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, (5, 95)).tolist()
    return low, high


def table(statistics: dict[str, PoseStatistics]) -> str:
    """One column for each name."""
    rows: list[tuple[str, Callable[[PoseStatistics], str]]] = [
        ("seconds", lambda s: f"{s.seconds:.0f}"),
        ("eye distance, % of width", lambda s: f"{100 * s.eye_distance:.1f}"),
        ("eyes' x, % of width", lambda s: _percent(s.eyes_x)),
        ("eyes' y, % of height", lambda s: _percent(s.eyes_y)),
        ("face seen, %", lambda s: f"{100 * s.face_seen:.0f}"),
        ("hands seen, %", lambda s: f"{100 * s.hands_seen:.0f}"),
        ("lip gap, eye distances", lambda s: f"{s.lip_gap:.3f}"),
        ("  5 % to 95 % of frames", lambda s: f"{s.lip_gap_range[0]:.3f}-{s.lip_gap_range[1]:.3f}"),
        ("lip speed, a second", lambda s: f"{s.lip_speed:.2f}"),
        ("head speed, a second", lambda s: f"{s.head_speed:.2f}"),
        ("hand speed, a second", lambda s: f"{s.hand_speed:.2f}"),
    ]
    width = max(12, *(len(name) + 2 for name in statistics))
    lines = ["".ljust(26) + "".join(name.rjust(width) for name in statistics)]
    lines += [title.ljust(26) + "".join(show(s).rjust(width) for s in statistics.values()) for title, show in rows]
    return "\n".join(lines)


def _percent(values: tuple[float, float]) -> str:
    return f"{100 * values[0]:.0f}-{100 * values[1]:.0f}"
