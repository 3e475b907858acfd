"""What a sampling run finishes, step by step and window by window, for a later run that goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from .ahead import Window

WINDOWS_KEPT_AT_ONCE = 32  # the device is waited for then


@dataclass(frozen=True)
class KeptStep:
    """A finished step. values [T, 4, h, w] float32: the latents after it, or what was predicted, for a scheduler with a
    memory, which has to take its steps again. finer: windows that run in a finer dtype from then on."""

    values: Tensor
    finer: Mapping[Window, torch.dtype] = field(default_factory=dict)


class Kept(Protocol):
    """What an earlier run with the same inputs has finished, and where this one keeps what it finishes."""

    def num_steps(self) -> int:
        """How many steps, from the first on, are finished."""
        ...

    def step(self, step_idx: int) -> KeptStep: ...

    def keep_step(self, step_idx: int, step: KeptStep, only_last: bool) -> None:
        """only_last: the steps before it are not needed any more."""
        ...

    def windows(self, step_idx: int, total: Tensor) -> int:
        """Fill a step's sum over windows [rows, T, 4, h, w] as far as it came; returns how many windows are in it."""
        ...

    def keep_windows(self, step_idx: int, num_windows: int, frames: Tensor, sums: Tensor) -> None:
        """The sum [rows, F, 4, h, w] at frames [F] that changed since the call before."""
        ...


@dataclass
class Keeping:
    """Keeps a step's sum over windows, some windows at a time, as long as their numbers are right."""

    kept: Kept
    step_idx: int
    _frames: list[Tensor] = field(default_factory=list)
    _fine: list[Tensor] = field(default_factory=list)
    _stopped: bool = False

    def done(self, num_windows: int, frames: Tensor, is_fine: Tensor, total: Tensor) -> None:
        self._frames.append(frames)
        self._fine.append(is_fine)
        if num_windows % WINDOWS_KEPT_AT_ONCE or self._stopped:
            return
        self._stopped = not bool(torch.stack(self._fine).all())
        if not self._stopped:
            changed = torch.cat(self._frames).unique()
            self.kept.keep_windows(self.step_idx, num_windows, changed, total[:, changed])
        self._frames, self._fine = [], []
