"""Files that are written: checked before the work, under their name only when they are whole, never over another."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from .errors import InputError


def check_output(path: Path) -> None:
    """Raise InputError if writing to ``path`` would replace something, or cannot work."""
    try:
        path.lstat()
        raise _taken(path)
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


DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}  # Windows


def check_name(name: str, what: str, longest: int = 200) -> None:
    """Raise InputError unless this is a file's name on every system and in every store, and no way out of a folder.

    what: the name in words, for the error. Letters of ASCII, digits and ``._-``.
    """
    is_device = name.partition(".")[0].lower() in DEVICES
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) or name.endswith(".") or is_device or len(name) > longest:
        raise InputError(
            f"{what} cannot name a file everywhere; take up to {longest} letters a-z, digits, '_', '-' and '.', "
            "beginning with a letter or a digit, and no name of a device like CON."
        )


def inside(folder: Path, name: str, what: str, where: str) -> Path:
    """The path of a name below a folder, links followed. what, where: both in words, for the error.

    Raises InputError for a name that leads out of it by ``..``, as a whole path or through a link, for one with control
    characters, for Windows' devices (a graph travels to other systems), and for what cannot be a path.
    """
    parts = re.split(r"[\\/]", name)
    if any(part.partition(".")[0].strip().lower() in DEVICES for part in parts) or re.search(r"[\0-\x1f]", name):
        raise InputError(f"{what} is {name[:60]!r}, which cannot name a file on every system; choose another.")
    try:
        home = folder.resolve()
        path = (home / name).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        raise InputError(f"{what} is '{name[:40]}...', which names no file ({error}); choose a shorter one.") from error
    if not path.is_relative_to(home):
        raise InputError(f"{what} is '{name[:200]}', which lies outside of {where}; give a name below it.")
    return path


def check_distinct(paths: Iterable[Path | None]) -> None:
    """Raise InputError if two of the files to be written are one."""
    seen: set[Path] = set()
    for path in filter(None, paths):
        if path.resolve() in seen:
            raise InputError(f"{path} is named for two outputs; give each a name of its own.")
        seen.add(path.resolve())


@contextmanager
def unfinished_file(path: Path, folder: Path | None = None) -> Iterator[Path]:
    """A file beside ``path`` to write into, of a name that no other run has; it gets the name when it is complete.

    folder: where it lies until then, on the same disk.

    Nothing is overwritten: if ``path`` is there by then, what was written is kept under the next free name and an
    InputError says which. A full disk and other failures of writing are one sentence too. What is unfinished is
    removed.
    """
    check_output(path)
    handle, name = tempfile.mkstemp(prefix=".mmgt-", suffix=f".unfinished{path.suffix}", dir=folder or path.parent)
    os.close(handle)
    unfinished = Path(name)
    unfinished.chmod(0o666 & ~_umask())
    try:
        yield unfinished
        if not _take_name(unfinished, path):
            other = next(name for name in _further_names(path) if _take_name(unfinished, name))
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


@contextmanager
def all_or_none() -> Iterator[Callable[[Path], None]]:
    """Files that belong together: those that the yielded call was told of are removed again if the run is broken off.

    So the same command can be given again. Tell it of a file when that is written, not before: what others write
    under the name is theirs.
    """
    with ExitStack() as written:

        def wrote(path: Path) -> None:
            written.callback(path.unlink, missing_ok=True)

        yield wrote
        written.pop_all()


def write_text_atomically(path: Path, text: str) -> None:
    """In the place of what is there, if something is; whole under its name at every moment. Raises OSError.

    The name until then is nobody else's, also not of another machine that writes into the same folder.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
    unfinished = Path(name)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.chmod(0o666 & ~_umask())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def publish(unfinished: Path, path: Path) -> None:
    """Give a finished file its name, never over another. Raises InputError, and leaves both, if there is one."""
    if not _take_name(unfinished, path):
        raise _taken(path)


def _take_name(unfinished: Path, path: Path) -> bool:
    """Give a file its name unless that is taken; no moment between looking and taking."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _take_by_empty_file(unfinished, path)
    unfinished.unlink()
    return True


def _take_by_empty_file(unfinished: Path, path: Path) -> bool:
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


def _taken(path: Path) -> InputError:
    return InputError(f"{path} exists already and is not overwritten; choose another name or remove it first.")


def _further_names(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space, or choose a folder on another disk"
    return "choose another folder"
