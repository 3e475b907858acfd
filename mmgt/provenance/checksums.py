"""Checksums of networks, each computed once: 7 GB are seconds of work that no run should do again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger("mmgt")


def sha256_of(path: Path, progress: Callable[[int, int], None] | None = None) -> str:
    """The checksum of a file, in hexadecimal; kept for its path, size and time of change in the user's cache."""
    from ..weights import files  # here: torch, which reading marks does without

    path = path.resolve()
    status, kept = path.stat(), _read()
    state = [status.st_size, status.st_mtime_ns]
    entry = kept.get(str(path))
    if isinstance(entry, list) and entry[:2] == state and isinstance(entry[-1], str):
        return entry[-1]
    if status.st_size > 10**8:
        logger.info("checksum of a network of %s, once", files.human_size(status.st_size))
    checksum = files.sha256_of(path, progress)
    _write({**_read(), str(path): [*state, checksum]})
    return checksum


def _place() -> Path | None:
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    return folder / "mmgt" / "sha256.json"


def _read() -> dict[str, object]:
    place = _place()
    try:
        kept = json.loads(place.read_bytes()) if place is not None else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(kept: dict[str, object]) -> None:
    """Keep the checksums of files that are still there; where nothing can be kept, the next run computes them anew."""
    place = _place()
    if place is None:
        return
    there = {name: entry for name, entry in kept.items() if Path(name).exists()}
    unfinished = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=".sha256-", dir=place.parent)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(there, file)
        os.replace(unfinished, place)
    except OSError as error:
        logger.debug("checksums cannot be kept in %s: %s", place, error)
        if unfinished is not None:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
