"""Sightings of one person, now and then missing -> a pose for every moment.

Between two sightings points move linearly. Where that would take too long the pose stands still first, and then goes
to the next sighting at the person's own pace; nothing is interpolated across a cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..poses.skeleton import BODY, NUM_KEYPOINTS, is_visible

SEEN, INTERPOLATED, HELD = range(3)


@dataclass(frozen=True)
class Sightings:
    """Where the person was seen: S of the T frames of a video.

    frame: [S] int, rising. points_px: [S, 134, 2]. score: [S, 134], 0..1.
    times_s, shots: of all T frames: their times in s, rising, and the number of their shot (see ``shots``).
    """

    frame: np.ndarray
    points_px: np.ndarray
    score: np.ndarray
    times_s: np.ndarray
    shots: np.ndarray

    def pace(self) -> float:
        """Median speed of the body in px/s between frames that both show it; 0 where there are none."""
        together = (np.diff(self.frame) == 1) & (np.diff(self.shots[self.frame]) == 0)
        seconds = np.diff(self.times_s[self.frame])
        speeds = [self._distance(i, i + 1) / seconds[i] for i in np.flatnonzero(together).tolist()]
        return float(np.median(speeds)) if speeds else 0.0

    def _distance(self, i: int, j: int) -> float:
        """Mean way of the body points that are visible in two sightings, in px."""
        body = slice(BODY.start, BODY.stop)
        shared = is_visible(self.score[[i, j], body]).all(axis=0)
        ways = np.linalg.norm(self.points_px[i, body] - self.points_px[j, body], axis=-1)
        return float(ways[shared].mean() if shared.any() else ways.mean())

    def held(self, max_gap_s: float) -> list[tuple[int, float]]:
        """Gaps within a shot that are too long to bridge: the sighting before, and the time up to which it is held."""
        pace, seconds, shots = self.pace(), np.diff(self.times_s[self.frame]), self.shots[self.frame]
        found = []
        for i in np.flatnonzero((np.diff(self.frame) > 1) & (np.diff(shots) == 0) & (seconds > max_gap_s)).tolist():
            way_s = self._distance(i, i + 1) / pace if pace > 0 else np.inf
            back_s = min(seconds[i], max(max_gap_s, way_s))
            if back_s < seconds[i]:
                found.append((i, float(self.times_s[self.frame[i + 1]] - back_s)))
        return found


def fill(sightings: Sightings, times_s: np.ndarray, max_gap_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pose at each of these times [N]: points [N, 134, 2] px, score [N, 134], and whether it was SEEN,
    INTERPOLATED or HELD [N].

    A point that is hidden for up to ``max_gap_s`` between visible ones is interpolated; longer it stays hidden.
    """
    frame_idx = shown_at(sightings.times_s, times_s)
    shots = sightings.shots[frame_idx]
    points, score = np.zeros((len(times_s), NUM_KEYPOINTS, 2)), np.zeros((len(times_s), NUM_KEYPOINTS))
    state = np.where(np.isin(frame_idx, sightings.frame), SEEN, HELD)
    held = sightings.held(max_gap_s)
    is_known = np.zeros(len(times_s), dtype=bool)
    for shot in np.unique(sightings.shots[sightings.frame]):
        inside, rows = shots == shot, np.flatnonzero(sightings.shots[sightings.frame] == shot)
        known_s = sightings.times_s[sightings.frame[rows]]
        between = inside & (state == HELD) & (times_s > known_s[0]) & (times_s < known_s[-1])
        state[between] = INTERPOLATED
        for i, until_s in held:
            state[between & (times_s > sightings.times_s[sightings.frame[i]]) & (times_s < until_s)] = HELD
        stops = [(i, until_s) for i, until_s in held if i in rows]
        rows = np.concatenate([rows, np.array([i for i, _ in stops], dtype=int)])
        known_s = np.concatenate([known_s, [until_s for _, until_s in stops]])
        order = np.argsort(known_s, kind="stable")
        points[inside], score[inside] = _between(
            known_s[order], sightings.points_px[rows[order]], sightings.score[rows[order]], times_s[inside], max_gap_s
        )
        is_known |= inside
    if not is_known.any():  # seen only in a shot that is shorter than the time between two poses
        points[0], score[0], is_known[0] = sightings.points_px[0], sightings.score[0], True
    nearest = _nearest_known(is_known)
    return points[nearest], score[nearest], state


def shown_at(frame_times_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """The frame that is shown at each of these times: [N] int."""
    return (np.searchsorted(frame_times_s, times_s + 1e-6, side="right") - 1).clip(min=0)


def _nearest_known(is_known: np.ndarray) -> np.ndarray:
    """The place of the last known entry at or before each, or else of the first one: [N] int."""
    last = np.maximum.accumulate(np.where(is_known, np.arange(len(is_known)), -1))
    return np.where(last < 0, np.flatnonzero(is_known)[0], last)


def _between(
    known_s: np.ndarray, known_points: np.ndarray, known_score: np.ndarray, times_s: np.ndarray, max_gap_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Every point on its own: from visible place to visible place."""
    points, score = np.zeros((len(times_s), NUM_KEYPOINTS, 2)), np.zeros((len(times_s), NUM_KEYPOINTS))
    for k in range(NUM_KEYPOINTS):
        score[:, k] = np.interp(times_s, known_s, known_score[:, k])
        visible = is_visible(known_score[:, k])
        if not visible.any():
            visible = np.ones_like(visible)
        visible_s = known_s[visible]
        for axis in range(2):
            points[:, k, axis] = np.interp(times_s, visible_s, known_points[visible, k, axis])
        after = np.searchsorted(visible_s, times_s)
        hidden_s = visible_s[after.clip(max=len(visible_s) - 1)] - visible_s[(after - 1).clip(min=0)]
        is_short = (after > 0) & (after < len(visible_s)) & (hidden_s <= max_gap_s)
        score[is_short, k] = np.interp(times_s[is_short], visible_s, known_score[visible, k])
    return points, score
