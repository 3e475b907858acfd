"""Overlapping windows over time and their blending; stretches of frames.

Stage I and the speech encoders fade windows into each other (``blend_weights``), stage II takes the plain mean of all
windows that show a frame (``WindowMean``), as the authors do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def window_starts(num_frames: int, length: int, overlap: int) -> list[int]:
    """Starts of windows of ``length`` frames that cover 0 .. num_frames - 1; the last one ends at the last frame.

    Neighbours share at least ``overlap`` frames. num_frames below length gives the single window [0].
    """
    last = max(0, num_frames - length)
    return [*range(0, last, length - overlap), last]


def blend_weights(starts: list[int], length: int, num_frames: int) -> Tensor:
    """[N, length] float32: each window's share of its frames; over all windows the shares of a frame sum to 1.

    In an overlap a window fades in linearly while the one before it fades out.
    """
    weights = torch.ones(len(starts), length)
    total = torch.zeros(max(num_frames, length))
    for row, (start, weight) in enumerate(zip(starts, weights, strict=True)):
        overlap_before = starts[row - 1] + length - start if row else 0
        overlap_after = start + length - starts[row + 1] if row + 1 < len(starts) else 0
        if overlap_before > 0:
            weight[:overlap_before] = torch.arange(1, overlap_before + 1) / (overlap_before + 1)
        if overlap_after > 0:
            fade = torch.arange(overlap_after, 0, -1) / (overlap_after + 1)
            weight[-overlap_after:] = torch.minimum(weight[-overlap_after:], fade)
        total[start : start + length] += weight
    return torch.stack([weight / total[start : start + length] for start, weight in zip(starts, weights, strict=True)])


def cut_windows(frames: Tensor, starts: list[int], length: int) -> Tensor:
    """[T, ...] -> [N, length, ...]. A sequence shorter than one window is padded with its last frame."""
    if len(frames) < length:
        frames = torch.cat([frames, frames[-1:].expand(length - len(frames), *frames.shape[1:])])
    return torch.stack([frames[start : start + length] for start in starts])


def blend_windows(windows: Tensor, starts: list[int], weights: Tensor, num_frames: int) -> Tensor:
    """[N, length, C] -> [num_frames, C]: the weighted sum of the windows, so that overlaps agree."""
    out = windows.new_zeros(max(num_frames, starts[-1] + windows.shape[1]), windows.shape[2])
    for window, start, weight in zip(windows, starts, weights.to(windows), strict=True):
        add_window(out, window, start, weight)
    return out[:num_frames]


def add_window(track: Tensor, window: Tensor, start: int, weight: Tensor) -> None:
    """Add one window [F, ...], by its frames' shares [F], to what is blended [T, ...] in place."""
    track[start : start + len(window)] += window * weight.reshape(-1, *[1] * (window.ndim - 1))


class WindowMean:
    """The mean of the windows that a frame is in. Windows are added in place one by one: memory is that of one track.

    windows: frame indices of each, which need not be neighbours. frames: the same on the device, [F] int64 each.
    """

    def __init__(self, windows: Sequence[Sequence[int]], num_frames: int, device: torch.device) -> None:
        self.windows = [tuple(window) for window in windows]
        self.frames = [torch.tensor(window, device=device) for window in self.windows]
        count = torch.zeros(num_frames)
        for window in windows:
            count[list(window)] += 1
        self._count = count.to(device)  # [T]

    def add(self, total: Tensor, window_idx: int, values: Tensor) -> None:
        """Add a window's values [R, F, C, h, w] to the sum [R, T, C, h, w]."""
        total[:, self.frames[window_idx]] += values

    def mean(self, total: Tensor) -> Tensor:
        """The sum of all windows -> their mean, in the sum's memory: a long video's latents are large."""
        return total.div_(self._count[:, None, None, None])


def looped_windows(num_frames: int, length: int, overlap: int, stride: int = 1, step: int = 0) -> list[list[int]]:
    """The authors' windows of stage II (AnimateDiff's uniform context scheduler); the last one wraps to the start.

    Each window is a list of frame indices. stride > 1 adds windows of every 2nd, 4th, ... frame; step shifts all
    windows by a low-discrepancy share of the clip.
    """
    if num_frames <= length:
        return [list(range(num_frames))]
    shift = int(f"{step:064b}"[::-1], 2) / 2**64
    pad = round(num_frames * shift)
    windows = []
    for exponent in range(min(stride, math.ceil(math.log2(num_frames / length)) + 1)):
        every = 2**exponent
        for start in range(int(shift * every) + pad, num_frames + pad, length * every - overlap):
            windows.append([(start + every * k) % num_frames for k in range(length)])
    return windows


def open_windows(num_frames: int, length: int, overlap: int) -> list[list[int]]:
    """Windows as lists of frame indices; the last one ends at the last frame."""
    if num_frames <= length:
        return [list(range(num_frames))]
    return [list(range(start, start + length)) for start in window_starts(num_frames, length, overlap)]


def stretches(is_inside: np.ndarray) -> list[tuple[int, int]]:
    """[T] bool -> first frame and the one after the last, of every stretch that is inside."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_inside, [False]])))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
