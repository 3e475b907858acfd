"""Manifests: a JSON object a line, each a clip. A line that cannot be is a status, not the end of the batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ..errors import InputError
from ..standalone.options import animate_settings
from .clip import Clip, Status

INPUTS = ("image", "audio", "poses", "initial_pose", "vocals")


@dataclass(frozen=True)
class Manifest:
    """clips: in the order of their lines. refused: of the lines that are no clip, with the reason."""

    clips: tuple[Clip, ...]
    refused: tuple[Status, ...]

    @property
    def num_lines(self) -> int:
        return len(self.clips) + len(self.refused)


def read_manifest(path: Path, settings: Mapping[str, Any]) -> Manifest:
    """The clips of a JSONL file; relative paths in it are seen from its folder.

    settings: of every clip, where its line does not say otherwise. A second clip of an id is refused; so is one whose
    id differs in capitals only, as some disks hold one of the two. Raises InputError where there is no such file.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise InputError(
            f"the manifest {path} cannot be read ({error.strerror}); give a file of JSON lines."
        ) from error
    clips: list[Clip] = []
    refused: list[Status] = []
    line_of: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name = f"line {number}"
        try:
            row = _object_of(line)
            name = row["id"] if isinstance(row.get("id"), str) else name
            clip = _clip_of(row, path.absolute().parent, settings)
            first = line_of.setdefault(clip.id.casefold(), number)
            if first != number:
                raise InputError(f"the id {clip.id} is that of line {first}, too; give each clip one of its own.")
            clips.append(clip)
        except InputError as error:
            refused.append(Status(name, ok=False, error=f"line {number}: {error}"))
    if not clips and not refused:
        raise InputError(f"the manifest {path} is empty; write a JSON object a line, with id, image, audio.")
    return Manifest(tuple(clips), tuple(refused))


def _object_of(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is no JSON ({str(error)[:100]}); write an object with id, image, audio.") from error
    if not isinstance(row, dict):
        raise InputError(f"{str(row)[:60]!r} is no object; write one with id, image, audio.")
    return row


def _clip_of(row: dict[str, Any], folder: Path, settings: Mapping[str, Any]) -> Clip:
    given = row.get("settings")
    if given is not None and not isinstance(given, dict):
        raise InputError("its settings must be an object of names and values.")
    Clip.from_row(row)
    animate_settings(merged := {**settings, **(given or {})})
    placed = {name: seen_from(folder, row[name]) for name in INPUTS if row.get(name) is not None}
    return Clip.from_row({**row, **placed, "settings": merged})


def seen_from(folder: Path, given: str) -> str:
    """A path that a manifest in ``folder`` names; addresses and whole paths are as they are."""
    whole = "://" in given or PurePosixPath(given).is_absolute() or PureWindowsPath(given).is_absolute()
    return given if whole else str(folder / given)
