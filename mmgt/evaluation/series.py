"""What a report's pictures show: numbers frame by frame, where it moves, and the worst frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .measured import Measured

NUM_WORST, WORST_APART = 3, 5  # the worst frames that are kept, and how far they lie apart at least
JUMP_FRAMES = 2  # on each side of a jump: motion lasts longer than a frame, a cut or a seam does not
MIN_CHANGE = 0.1  # levels of 255: smaller changes between frames are rounding


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A frame that resembles the reference least. frame, reference: [H, W, 3] uint8."""

    t: int
    ssim: float
    frame: np.ndarray
    reference: np.ndarray


@dataclass(frozen=True)
class Series:
    """Frame by frame at 25 a second; what was not given is None.

    psnr_db, ssim: [T] of the whole frame. change: [T - 1] mean absolute difference to the frame before, levels of 255.
    heat, reference_heat: [H, W] float64, the same pixel by pixel over all frames: the paper's motion heat map (Figures
    10 and 12). worst: the worst first. position_error: [T] shoulder widths, nan where nothing is seen. speed: [T - 1]
    px per frame of head, shoulders, elbows and wrists, smoothed; motion_beats, sound_beats: frames; loudness: [T].
    """

    psnr_db: np.ndarray | None = None
    ssim: np.ndarray | None = None
    change: np.ndarray | None = None
    heat: np.ndarray | None = None
    reference_heat: np.ndarray | None = None
    worst: tuple[WorstFrame, ...] = ()
    position_error: np.ndarray | None = None
    speed: np.ndarray | None = None
    motion_beats: np.ndarray | None = None
    loudness: np.ndarray | None = None
    sound_beats: np.ndarray | None = None


class MotionHeat:
    """Sums up how much each pixel changes from frame to frame; holds one frame."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._sum: np.ndarray | None = (
            None  # [H, W, 3] float32: whole numbers up to 2^24: 43 minutes of black and white
        )
        self.changes: list[float] = []

    def add(self, frame: np.ndarray) -> None:
        """The next frame, [H, W, 3] uint8."""
        import cv2

        if self._last is not None:
            difference = cv2.absdiff(frame, self._last)
            self._sum = np.zeros(frame.shape, np.float32) if self._sum is None else self._sum
            cv2.accumulate(difference, self._sum)
            self.changes.append(sum(cv2.mean(difference)) / 3)
        self._last = np.array(frame)

    @property
    def mean(self) -> np.ndarray | None:
        """[H, W] float64 levels of 255; None before the second frame."""
        return None if self._sum is None else self._sum.mean(axis=2, dtype=np.float64) / len(self.changes)


class WorstFrames:
    """Keeps the frames that resemble their reference least, some apart: a bad moment is shown once."""

    def __init__(self) -> None:
        self.worst: tuple[WorstFrame, ...] = ()  # the worst first

    def add(self, t: int, ssim: float, frame: np.ndarray, reference: np.ndarray) -> None:
        """Frame t and its reference, [H, W, 3] uint8."""
        near = [kept for kept in self.worst if abs(kept.t - t) < WORST_APART]
        others = [kept for kept in self.worst if kept not in near]
        if any(kept.ssim <= ssim for kept in near) or sum(kept.ssim <= ssim for kept in others) >= NUM_WORST:
            return
        kept = [*others, WorstFrame(t, ssim, np.array(frame), np.array(reference))]
        self.worst = tuple(sorted(kept, key=lambda worst: worst.ssim)[:NUM_WORST])


def largest_jump(change: np.ndarray) -> tuple[float, int]:
    """How many times as much a frame changes as the two frames before and behind it do, where that is most, and at
    which frame. change: [T - 1], of frame t + 1 to frame t. (1, 0) where nothing jumps, or there are fewer than 3.
    """
    best, where = 1.0, 0
    for t in range(len(change)):
        around = np.r_[change[max(0, t - JUMP_FRAMES) : t], change[t + 1 : t + 1 + JUMP_FRAMES]]
        if len(around) and (ratio := (change[t] + MIN_CHANGE) / (around.max() + MIN_CHANGE)) > best:
            best, where = float(ratio), t + 1
    return best, where


def change_measures(change: np.ndarray) -> list[Measured]:
    """change: [T - 1], see ``Series``."""
    if len(change) <= JUMP_FRAMES:
        return []
    jump, t = largest_jump(change)
    where = f"at frame {t}" if t else "nowhere"
    return [
        Measured("largest jump", jump, len(change), "times", "lower", f"change of a frame by that of its 4 neighbours "
                 f"({where})", "whether one frame changes far more than those around it, as at a seam or a cut; 1 is "
                 "best, motion of a body stays below 3"),
    ]  # fmt: skip
