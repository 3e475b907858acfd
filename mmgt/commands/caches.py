"""Folders for what libraries keep between runs, for users whose own cannot be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


@contextmanager
def caches() -> Iterator[None]:
    """Folders for what libraries keep, where the user's cannot be written or there is no home: librosa fails else.

    NUMBA_CACHE_DIR, XDG_CACHE_HOME and MPLCONFIGDIR are left as the user set them. What is made goes with the run.
    """
    home_cache = _home_cache()
    wanted = set()
    if home_cache is None or not _can_be_written(home_cache):
        wanted = {"XDG_CACHE_HOME", "MPLCONFIGDIR"} | ({"NUMBA_CACHE_DIR"} if not _librosa_can_compile() else set())
    wanted -= os.environ.keys()
    if not wanted:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mmgt-cache-", ignore_cleanup_errors=True) as folder:
        os.environ.update(dict.fromkeys(wanted, folder))
        try:
            yield
        finally:
            for name in wanted:
                os.environ.pop(name, None)


def _home_cache() -> Path | None:
    """The user's cache folder; None for a user without a home."""
    if "XDG_CACHE_HOME" in os.environ:
        return Path(os.environ["XDG_CACHE_HOME"])
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None


def _librosa_can_compile() -> bool:
    """Whether numba may keep what it compiles beside librosa's source."""
    spec = find_spec("librosa")
    return spec is not None and spec.origin is not None and _can_be_written(Path(spec.origin).parent)


def _can_be_written(folder: Path) -> bool:
    """Whether files can be made in it; where it is not there yet, whether it can be made."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return there is not None and os.access(there, os.W_OK | os.X_OK)
