"""Fetch one file from Hugging Face, or from any web server: resumed, checked, and never half there.

huggingface_hub says what there is, and gives the token; requests brings the bytes. ``hf_hub_download`` is not used:
newer ones begin at the first byte again in a new run, it compares sizes only, and it leaves a cache of its own among
the models; nor is its ``http_get``, whose older versions give up where a connection is cut. What has come lies beside
the target as ``NAME.<tag>.part`` until it is whole and its sha256 is right; the tag stands for the version that the
server announced, so that parts of two versions are never joined.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import io
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..output_files import publish
from .catalog import HUB
from .files import Progress, check_file, human_size, sha256_of

logger = logging.getLogger("mmgt")

TIMEOUT_S = 30.0  # without any byte
MAX_TRIES, RETRY_WAIT_S = 4, 1.0  # without any byte between them; the wait is doubled each time
CHUNK_BYTES = 2**20  # what is lost, at most, where a connection is cut
HINTS = {
    401: "it asks for a token: set HF_TOKEN",
    403: "it is not open to you: set HF_TOKEN, or accept its terms on its page",
    404: "there is no such file",
    416: "it has fewer bytes than were announced",
}


@dataclass(frozen=True)
class _Version:
    """What the server says of the file: its size, its checksum if any, and a tag that is the same for the same file."""

    size_bytes: int | None
    sha256: str | None
    tag: str


class _Part(io.FileIO):
    """What has come, at whose end is written; progress(step, total) in bytes after every write."""

    def __init__(self, path: Path, total: int | None, progress: Progress | None) -> None:
        super().__init__(path, "ab")
        self._total, self._progress = total, progress

    def write(self, chunk: Any) -> int:
        written = super().write(chunk)
        if self._progress is not None:
            self._progress(self.tell(), max(self._total or 0, self.tell()))
        return written


def hub_address(repository: str, path: str) -> str:
    """Where a file of a Hugging Face repository is, on the mirror ``HF_ENDPOINT`` if that is set."""
    return f"{_endpoint()}/{repository}/resolve/main/{path}"


def mirrored(address: str) -> str:
    """An address of a file on Hugging Face, as a browser shows it, as the address of its bytes."""
    if address.startswith(f"{HUB}/"):
        address = _endpoint() + address.removeprefix(HUB)
    return address.replace("/blob/", "/resolve/", 1) if address.startswith(f"{_endpoint()}/") else address


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def is_offline() -> bool:
    """Whether ``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE`` forbids the network."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in names)


def download(address: str, target: Path, progress: Progress | None = None) -> str:
    """Fetch a file to ``target``; does nothing if it is there. Waits while another process fetches the same.

    progress(step, total) in bytes. Proxies are taken from ``http_proxy``, ``https_proxy``, ``all_proxy`` and
    ``no_proxy``; ``HF_TOKEN`` is sent to the Hugging Face endpoint only. Returns how the file was checked.
    Raises InputError, naming the address and the target folder, if it cannot be had; what has come is kept for the
    next call, unless its checksum is wrong.
    """
    from filelock import FileLock, Timeout

    if target.exists():
        return "there already"
    by_hand = f"fetch {address} by other means and put it into {target.parent} as {target.name}"
    if is_offline():
        raise InputError(
            f"HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE) is set, so nothing is downloaded; unset it, or {by_hand}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("another process is fetching %s: waiting for it", target.name)
            lock.acquire()
        try:
            checked = "there already" if target.exists() else _fetch_checked(address, target, by_hand, progress)
        finally:
            lock.release()
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error}); {by_hand}.") from error
    with suppress(OSError):  # held by a process that waits, and that will find the target
        Path(lock.lock_file).unlink()
    return checked


def _fetch_checked(address: str, target: Path, by_hand: str, progress: Progress | None) -> str:
    try:
        version = _patiently(lambda: _version(address))
        if version.size_bytes is None and version.sha256 is None:
            raise InputError(f"{address} comes without size and checksum, so it cannot be checked; {by_hand}.")
        part = target.with_name(f"{target.name}.{version.tag}.part")
        _forget_parts(target, but=part)
        _fetch(address, part, version, progress)
    except InputError:
        raise
    except Exception as error:  # huggingface_hub below 1 raises requests' errors, newer ones httpx'
        raise _said(error, address, target, by_hand) from error
    try:
        checked = _check(part, version, address, by_hand)
    except InputError:
        part.unlink()
        raise
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    publish(part, target)
    return checked


def _check(part: Path, version: _Version, address: str, by_hand: str) -> str:
    """What was checked, in words. Raises InputError for another file than was announced."""
    size_bytes = part.stat().st_size
    if version.size_bytes not in (None, size_bytes):
        raise InputError(
            f"{address} has {size_bytes} bytes, but its server announced {version.size_bytes}; try again, or {by_hand}."
        )
    if version.sha256 is not None and (found := sha256_of(part)) != version.sha256:
        raise InputError(
            f"{address} came with a wrong checksum (sha256 {found}, announced {version.sha256}) and was thrown "
            f"away; try again, or {by_hand}."
        )
    check_file(part, by_hand)
    known = {"size": version.size_bytes, "sha256": version.sha256}
    return f"{' and '.join(name for name, value in known.items() if value is not None)} as announced"


def _patiently(ask: Callable[[], _Version]) -> _Version:
    """Ask again where the failure may pass."""
    for wait_s in (RETRY_WAIT_S * 2**number for number in range(MAX_TRIES - 1)):
        try:
            return ask()
        except Exception as error:
            if not _may_pass(error):
                raise
            logger.info("%s; trying again", _reason(error))
            time.sleep(wait_s)
    return ask()


def _version(address: str) -> _Version:
    """Of a file on the hub its page's own words: the sha256 and the size of a large file, before it redirects."""
    if address.startswith(f"{_endpoint()}/"):
        from huggingface_hub import get_hf_file_metadata

        found = get_hf_file_metadata(address, timeout=TIMEOUT_S)
        size, etag = found.size, found.etag or ""
        name = etag
    else:
        import requests

        with requests.get(address, headers={"Accept-Encoding": "identity"}, stream=True, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
        length, etag = (
            answer.headers.get("Content-Length"),
            answer.headers.get("ETag", "").removeprefix("W/").strip('"'),
        )
        size, name = None if length is None else int(length), etag or answer.headers.get("Last-Modified", "")
    return _Version(
        size_bytes=size,
        sha256=etag if re.fullmatch("[0-9a-f]{64}", etag) else None,
        tag=hashlib.sha256(f"{size} {name}".encode()).hexdigest()[:12],
    )


def _fetch(address: str, part: Path, version: _Version, progress: Progress | None) -> None:
    """All bytes of the file, from where the part ends; a cut connection is gone on from, while bytes come."""
    import requests
    from huggingface_hub.utils import build_hf_headers

    if version.size_bytes is not None:
        _check_room(part.parent, version.size_bytes - _size(part), address)
    headers = {"Accept-Encoding": "identity"}
    if address.startswith(f"{_endpoint()}/"):
        headers |= build_hf_headers()
    tries = 0
    with _Part(part, version.size_bytes, progress) as file:
        while version.size_bytes is None or _size(part) < version.size_bytes:
            done = _size(part)
            try:
                _append(address, file, headers, version.size_bytes or 0)
                return
            except requests.RequestException as error:
                tries = 1 if _size(part) > done else tries + 1
                if tries == MAX_TRIES or not _may_pass(error):
                    raise
                logger.info("%s; going on from %s", _reason(error), human_size(_size(part)))
                time.sleep(RETRY_WAIT_S * 2 ** (tries - 1))


def _append(address: str, file: _Part, headers: dict[str, str], least_bytes: int) -> None:
    """What the server has behind the part's end; all of it, where the server cannot begin in the middle.

    Raises requests' errors, also where the part is shorter than least_bytes then.
    """
    import requests

    ranged = {"Range": f"bytes={file.tell()}-"} if file.tell() else {}
    with requests.get(address, headers=headers | ranged, stream=True, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        if ranged and answer.status_code != requests.codes.partial_content:
            file.truncate(0)
        for chunk in answer.iter_content(CHUNK_BYTES):
            file.write(chunk)
    if file.tell() < least_bytes:
        raise requests.ConnectionError(f"it ended after {file.tell()} of {least_bytes} bytes")


def _said(error: Exception, address: str, target: Path, by_hand: str) -> InputError:
    """What went wrong while fetching, and what is kept, as a sentence."""
    status = _status(error)
    if status == 416:  # what has come is no part of what is there
        _forget_parts(target)
    here = max((path.stat().st_size for path in _parts(target)), default=0)
    if here == 0:
        _forget_parts(target)
    kept = f"; the first {human_size(here)} are kept, and the same command goes on from there" if here else ""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"the disk of {target.parent} is full{kept}. Make room and give the same command again, or {by_hand}."
        )
    if status is not None:
        return InputError(f"{address} answers {status}: {HINTS.get(status, 'it cannot be had')}, or {by_hand}.")
    return InputError(f"{address} cannot be fetched ({_reason(error)}){kept}. Try again, or {by_hand}.")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _parts(target: Path) -> list[Path]:
    return [Path(name) for name in glob.glob(f"{glob.escape(str(target))}.*.part")]


def _forget_parts(target: Path, but: Path | None = None) -> None:
    for part in _parts(target):
        if part != but:
            part.unlink()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it came from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: Exception) -> int | None:
    """What the server answered instead of the file; None where it did not answer."""
    answers = (getattr(cause, "response", None) for cause in _causes(error))
    return next((answer.status_code for answer in answers if answer is not None), None)


def _may_pass(error: Exception) -> bool:
    status = _status(error)
    return status is None or status in (408, 429) or status >= 500


def _reason(error: Exception) -> str:
    *_, innermost = causes = [*_causes(error)]
    where = "the proxy does not work: " if any("Proxy" in type(cause).__name__ for cause in causes) else ""
    return where + ((str(innermost).splitlines() or [""])[0][:200] or type(innermost).__name__)


def _check_room(folder: Path, needed_bytes: int, address: str) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise InputError(
            f"{address} needs {human_size(needed_bytes)} more, but the disk of {folder} has only "
            f"{human_size(free_bytes)} left; make room, or choose another folder with --models."
        )
