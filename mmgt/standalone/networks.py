"""Networks as runs take them: loaded anew for each and let go after it, or kept for all runs of a process."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Loaded = TypeVar("Loaded")


class Networks:
    """networks(load, *arguments) is load(*arguments); a network is let go as soon as its run is done with it."""

    def __call__(self, load: Callable[..., Loaded], *arguments: Hashable) -> Loaded:
        return load(*arguments)


class KeptNetworks(Networks):
    """What was loaded is kept, on the device that it was moved to: the next run of the same arguments has it at once.

    For a process that makes many clips. It needs the memory of all networks of a run together.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def __call__(self, load: Callable[..., Loaded], *arguments: Hashable) -> Loaded:
        key = (load.__module__, load.__qualname__, *arguments)
        if key not in self._kept:
            self._kept[key] = load(*arguments)
        return self._kept[key]


LET_GO = Networks()
