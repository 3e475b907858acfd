"""What windows read on the CPU: made once for each frame, in a thread while the device computes.

Pose pictures are kept compressed and without loss, masks as they are: a minute of 512 x 512 px takes 0.1 GB.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .audio_proj import around_each_frame
from .drive import Drive

Window = tuple[int, ...]
Packed = Tensor | tuple[bytes, tuple[int, ...]]
CHECK_SECONDS = 0.1  # between looks whether the user has cancelled, while a window is waited for


@dataclass(frozen=True)
class WindowInputs:
    """pictures [F, 3, H, W] in 0..1; masks: for each level [3, F, h w]; speech as ``AudioProjection`` takes it."""

    pictures: Tensor
    masks: tuple[Tensor, ...]
    speech: Tensor | None


@dataclass
class Ahead:
    """The inputs of a drive's windows. One thread makes them all, so that a source need not stand two at a time.

    What a source raises is raised where its window is taken.
    """

    drive: Drive
    _pictures: dict[int, Packed] = field(default_factory=dict)
    _masks: tuple[Tensor, ...] = ()  # for each level [3, T, h w]: one piece of memory, not one for each frame
    _coming: dict[Window, Future[WindowInputs]] = field(default_factory=dict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mmgt-window"))

    def take(self, window: Window, check: Callable[[], None] = lambda: None) -> WindowInputs:
        """A window's inputs, waited for where they are not there yet; check() may raise to cancel meanwhile."""
        self.prepare(window)
        coming = self._coming.pop(window)
        while not wait([coming], CHECK_SECONDS).done:
            check()
        return coming.result()

    def prepare(self, window: Window) -> None:
        """Begin to make a window's inputs, unless that has begun."""
        if window not in self._coming:
            self._coming[window] = self._thread.submit(self._make, window)

    def _make(self, window: Window) -> WindowInputs:
        drive = self.drive
        new = [frame for frame in dict.fromkeys(window) if frame not in self._pictures]
        if new:
            pictures, masks = drive.pictures(new), drive.masks(new)
            if not self._masks:
                self._masks = tuple(level.new_empty(len(level), drive.num_frames, level.shape[2]) for level in masks)
            for kept, level in zip(self._masks, masks, strict=True):
                kept[:, new] = level
            self._pictures |= {frame: packed(picture) for frame, picture in zip(new, pictures, strict=True)}
        frames = list(window)
        return WindowInputs(
            torch.stack([unpacked(self._pictures[frame]) for frame in window]),
            tuple(level[:, frames] for level in self._masks),
            None if drive.speech is None else around_each_frame(drive.speech, window),
        )


def packed(picture: Tensor) -> Packed:
    """[3, H, W] in 0..1 in few bytes where it holds whole 255ths, as pictures of 8 bits do; else as it is."""
    numbers = picture.permute(1, 2, 0).numpy()
    with np.errstate(invalid="ignore"):
        pixels = (numbers * 255).round().astype(np.uint8)
    if not np.array_equal(_in_unit_range(pixels), numbers):
        return picture.clone()
    return zlib.compress(np.ascontiguousarray(pixels).data, level=1), pixels.shape


def unpacked(kept: Packed) -> Tensor:
    """The way back of ``packed``."""
    if isinstance(kept, Tensor):
        return kept
    pixels = np.frombuffer(zlib.decompress(kept[0]), np.uint8).reshape(kept[1])
    return torch.from_numpy(_in_unit_range(pixels)).permute(2, 0, 1)


def _in_unit_range(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255
