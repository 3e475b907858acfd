"""Where clips go: a folder, or a place that fsspec knows (s3://bucket/folder, gs://..., memory://...)."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..output_files import write_text_atomically
from ..unfinished_run import remove_finished
from .clip import Status

SUFFIX, STATUS = ".mp4", "status"
FILE = "file://"


class Outputs:
    """``ID.mp4`` of every finished clip, and ``status/ID.json`` of every clip that was tried, in one place.

    In a folder a clip is made in place, so that another process goes on with one that was broken off. Elsewhere it is
    made in a folder of the machine and sent when it is whole: a store shows no half of an object.
    """

    def __init__(self, place: str) -> None:
        """Raises InputError for a place of a kind that fsspec, or a library of its, is missing for.

        So does each method where the folder or the store cannot be used; ``status`` does not.
        """
        place = place.removeprefix(FILE)
        self.place = place if place.endswith("://") else place.rstrip("/") or place
        self.is_folder = "://" not in place
        self._files: Any
        self._files, self._root = (None, place) if self.is_folder else _store(self.place)

    def prepare(self) -> None:
        """Make the folder."""
        with self._usable():
            if self.is_folder:
                Path(self.place, STATUS).mkdir(parents=True, exist_ok=True)
                remove_finished(Path(self.place))
            else:
                self._files.makedirs(self._root, exist_ok=True)

    def finished(self) -> set[str]:
        """The ids whose videos are there."""
        with self._usable():
            if self.is_folder:
                names = os.listdir(self.place) if os.path.isdir(self.place) else []
            else:
                self._files.invalidate_cache()
                found = self._files.ls(self._root, detail=False) if self._files.exists(self._root) else []
                names = [path.rstrip("/").rpartition("/")[2] for path in found]
        return {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX) and not name.startswith(".")}

    def has(self, clip_id: str) -> bool:
        if self.is_folder:
            return Path(self.place, clip_id + SUFFIX).is_file()
        with self._usable():
            self._files.invalidate_cache()
            return bool(self._files.exists(f"{self._root}/{clip_id}{SUFFIX}"))

    def address(self, clip_id: str) -> str:
        return f"{self.place}/{clip_id}{SUFFIX}"

    def status(self, clip_id: str) -> Status:
        """What was told of a finished clip; if that cannot be read, that it is there."""
        try:
            with self._usable():
                if self.is_folder:
                    text = Path(self.place, STATUS, f"{clip_id}.json").read_bytes()
                else:
                    text = self._files.cat_file(f"{self._root}/{STATUS}/{clip_id}.json")
            told = Status.from_row(json.loads(text))
        except (ValueError, KeyError, TypeError):  # InputError is a ValueError
            told = Status(clip_id, False)
        return told if told.ok else Status(clip_id, True, output=self.address(clip_id))

    @contextmanager
    def video(self, clip_id: str) -> Iterator[Path]:
        """A path to write the video to; it is in its place when the block has ended well."""
        if self.is_folder:
            yield Path(self.place, clip_id + SUFFIX)
            return
        with tempfile.TemporaryDirectory(prefix="mmgt-clip-") as folder:
            path = Path(folder, clip_id + SUFFIX)
            yield path
            with self._usable():
                self._files.put_file(str(path), f"{self._root}/{clip_id}{SUFFIX}")

    def write_status(self, status: Status) -> None:
        """Over what was told of an earlier try."""
        text = json.dumps(status.row(), ensure_ascii=False) + "\n"
        with self._usable():
            if self.is_folder:
                write_text_atomically(Path(self.place, STATUS, f"{status.id}.json"), text)
            else:
                self._files.pipe_file(f"{self._root}/{STATUS}/{status.id}.json", text.encode())

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Raises InputError for whatever the system says of a folder, or its library of a store."""
        try:
            yield
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{self.place} is no folder; name another for the clips.") from error
        except Exception as error:  # each store's library has errors of its own
            if self.is_folder and not isinstance(error, OSError):
                raise
            and_that = " and has room" if self.is_folder else ", and that its server answers and its keys are set"
            raise InputError(
                f"{self.place} cannot be used ({_said(error)}); check that it exists, is yours to use{and_that}."
            ) from error


def _store(place: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path in it."""
    import fsspec

    try:
        return fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{place} cannot be opened ({error}); install the library of that kind of place (for s3:// `pip install "
            "s3fs`), or name a folder."
        ) from error


@contextmanager
def local_copies(**given: str | None) -> Iterator[dict[str, Path | None]]:
    """The inputs of a clip as files of this machine: paths as they are, addresses copied for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="mmgt-inputs-") as folder:
        yield {name: None if value is None else _local(name, value, Path(folder)) for name, value in given.items()}


def _local(name: str, given: str, folder: Path) -> Path:
    given = given.removeprefix(FILE)
    if "://" not in given:
        return Path(given)
    files, path = _store(given)
    copy = folder / (name + Path(path).suffix)
    try:
        with files.open(path, "rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
    except Exception as error:  # each store's library has errors of its own
        raise InputError(
            f"{given} cannot be read ({_said(error)}); check that it is there, its server answers and its keys are set."
        ) from error
    return copy


def _said(error: Exception) -> str:
    """The first line of an error's words."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return said.strip().splitlines()[0][:200].rstrip(" .:")
