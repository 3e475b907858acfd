"""What all kinds of files need: PyAV, an input that is there, an output that is not."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import InputError


def import_av():  # type: ignore[no-untyped-def]
    """PyAV, or an InputError that says how to get it (ComfyUI has it)."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "reading sound and writing video needs PyAV, which is not installed; run `pip install av`."
        ) from error
    return av


def picture_tracks(container: Any) -> list[Any]:
    """A film's picture tracks; the cover of a song is none."""
    cover = import_av().stream.Disposition.attached_pic
    return [video for video in container.streams.video if not video.disposition & cover]


def check_file(path: Path, kind: str, wanted: str) -> None:
    """Raise InputError unless there is a file with something in it. kind, wanted: what it should be, in words."""
    try:
        is_file = path.is_file()
    except OSError as error:
        raise InputError(
            f"{path.name[:40]}... is no file's name ({error.strerror}); give the path of {wanted}."
        ) from error
    if not is_file:
        raise InputError(f"there is no {kind} {path}; give the path of {wanted}.")
    if path.stat().st_size == 0:
        raise InputError(f"the {kind} {path} is empty (0 bytes); give {wanted}.")


def local(path: Path) -> str:
    """A path as FFmpeg takes it: "10:30.mp4" is a file, not a protocol called 10."""
    return f"file:{path}"


def check_output(path: Path) -> None:
    """Raise InputError if writing to ``path`` would replace something, or cannot work."""
    try:
        path.lstat()
        raise InputError(f"{path} exists already and is not overwritten; choose another name or remove it first.")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError(
            f"{path.name[:40]}... cannot be a file's name ({error.strerror}); choose a shorter one."
        ) from error
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} into; create it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"nothing can be written into the folder {path.parent}; allow it, or choose another folder.")


def check_distinct(paths: Iterable[Path | None]) -> None:
    """Raise InputError if two of the files to be written are one."""
    seen: set[Path] = set()
    for path in filter(None, paths):
        if path.resolve() in seen:
            raise InputError(f"{path} is named for two outputs; give each a name of its own.")
        seen.add(path.resolve())


@contextmanager
def unfinished_file(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write into, of a name that no other run has; it gets the name when it is complete.

    Nothing is overwritten: if ``path`` is there by then, what was written is kept under the next free name and an
    InputError says which. A full disk and other failures of writing are one sentence too. What is unfinished is
    removed.
    """
    check_output(path)
    handle, name = tempfile.mkstemp(prefix=".mmgt-", suffix=f".unfinished{path.suffix}", dir=path.parent)
    os.close(handle)
    unfinished = Path(name)
    unfinished.chmod(0o666 & ~_umask())
    try:
        yield unfinished
        if not _publish(unfinished, path):
            other = next(name for name in _further_names(path) if _publish(unfinished, name))
            raise InputError(
                f"{path} was written by something else meanwhile and is left alone; this is kept as {other}."
            )
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); {_remedy(error)}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _publish(unfinished: Path, path: Path) -> bool:
    """Give a file its name unless that is taken; no moment between looking and taking."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    try:
        unfinished.replace(path)
    except OSError:
        path.unlink()
        raise
    return True


def _further_names(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space, or choose a folder on another disk"
    return "choose another folder"
