"""Fetch one file from Hugging Face, or from any web server: resumed, checked, and never half there.

What has come lies beside the target as ``NAME.<tag>.part`` until it is whole and checked; the tag stands for the
version that the server announced, so that parts of two versions are never joined. huggingface_hub is not used here:
it compares sizes only, not checksums, and leaves its own cache folder among the models.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..output_files import publish
from .catalog import HUB
from .files import Progress, check_file, human_size, sha256_of

logger = logging.getLogger("mmgt")

CHUNK_BYTES = 2**16  # what is lost at most when a connection breaks
TIMEOUT_S = 30.0  # without any byte
MAX_TRIES = 4  # in a row that bring nothing new
RETRY_WAIT_S = 1.0  # before the second of them; doubled each time


class _TryAgainError(Exception):
    """The connection failed in a way that may pass."""


@dataclass(frozen=True)
class _Version:
    """What the server says of the file: its size, its checksum if any, and a tag that is the same for the same file."""

    size_bytes: int | None
    sha256: str | None
    tag: str


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
    part, version = _fetch(address, target, by_hand, progress)
    try:
        size_bytes = part.stat().st_size
        if version.size_bytes not in (None, size_bytes):
            raise InputError(
                f"{address} has {size_bytes} bytes, but its server announced {version.size_bytes}; try again, or "
                f"{by_hand}."
            )
        if version.sha256 is not None and (found := sha256_of(part)) != version.sha256:
            raise InputError(
                f"{address} came with a wrong checksum (sha256 {found}, announced {version.sha256}) and was thrown "
                f"away; try again, or {by_hand}."
            )
        check_file(part, by_hand)
    except InputError:
        part.unlink()
        raise
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    publish(part, target)
    known = {"size": version.size_bytes, "sha256": version.sha256}
    return f"{' and '.join(name for name, value in known.items() if value is not None)} as announced"


def _fetch(address: str, target: Path, by_hand: str, progress: Progress | None) -> tuple[Path, _Version]:
    """All bytes of the file in a part file, over as many connections as it takes."""
    num_tries, furthest, wait_s = 0, -1, RETRY_WAIT_S
    while True:
        try:
            return _fetch_on(address, target, by_hand, progress)
        except _TryAgainError as error:
            here = max((path.stat().st_size for path in _parts(target)), default=0)
            if here > furthest:
                num_tries, furthest, wait_s = 0, here, RETRY_WAIT_S
            num_tries += 1
            if num_tries == MAX_TRIES:
                kept = (
                    f"; the first {human_size(here)} are kept, and the same command goes on from there" if here else ""
                )
                raise InputError(f"{address} cannot be fetched ({error}){kept}. Try again, or {by_hand}.") from error
            logger.info("%s: %s; trying again", target.name, error)
            time.sleep(wait_s)
            wait_s *= 2


def _parts(target: Path) -> list[Path]:
    return [Path(name) for name in glob.glob(f"{glob.escape(str(target))}.*.part")]


def _forget_parts(target: Path, but: Path | None = None) -> None:
    for part in _parts(target):
        if part != but:
            part.unlink()


def _fetch_on(address: str, target: Path, by_hand: str, progress: Progress | None) -> tuple[Path, _Version]:
    """One connection: from where the part file ends to the end of the file. Raises _TryAgainError if it breaks."""
    part = max(_parts(target), key=lambda path: path.stat().st_mtime, default=None)
    done = 0 if part is None else part.stat().st_size
    with _request(address, done, by_hand) as response:
        version, start = _version(response), _start(response)
        if version.size_bytes is None and version.sha256 is None:
            raise InputError(f"{address} comes without size and checksum, so it cannot be checked; {by_hand}.")
        own_part = target.with_name(f"{target.name}.{version.tag}.part")
        if response.status_code == 416 and part == own_part and done == version.size_bytes:
            return own_part, version
        if response.status_code == 416 or (response.status_code == 206 and (part != own_part or start != done)):
            _forget_parts(target)
            raise _TryAgainError("the file has changed on the server")
        if response.status_code != 206:
            done = 0
        if version.size_bytes is not None:
            _check_space(target, version.size_bytes - done, address)
        _forget_parts(target, but=own_part)
        _write(response, own_part, done, version, progress, by_hand)
    if version.size_bytes is not None and own_part.stat().st_size < version.size_bytes:
        raise _TryAgainError("the server closed the connection before the end")
    return own_part, version


def _request(address: str, done: int, by_hand: str) -> Any:
    """The answer to a request for the bytes from ``done`` on: status 200, 206 or 416."""
    import requests

    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={done}-"} if done else {})}
    try:
        response = requests.get(address, headers=headers, auth=_authorise, stream=True, timeout=TIMEOUT_S)
    except (requests.exceptions.SSLError, requests.exceptions.InvalidProxyURL) as error:
        raise InputError(f"{address} cannot be fetched ({_reason(error)}); {by_hand}.") from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _TryAgainError(_reason(error)) from error
    except requests.RequestException as error:
        raise InputError(f"{address} cannot be fetched ({_reason(error)}); {by_hand}.") from error
    status = response.status_code
    if status in (200, 206, 416):
        return response
    response.close()
    if status in (408, 429) or status >= 500:
        raise _TryAgainError(f"the server answers {status} {response.reason}")
    hint = {
        401: "it asks for a token: set HF_TOKEN",
        403: "it is not open to you: set HF_TOKEN, or accept its terms on its page",
        404: "there is no such file",
    }.get(status, "it cannot be had")
    raise InputError(f"{address} answers {status} {response.reason}: {hint}, or {by_hand}.")


def _authorise(request: Any) -> Any:
    """requests' hook for the first address only: a redirect to another host gets no token."""
    token = os.environ.get("HF_TOKEN")
    if token and request.url.startswith(f"{_endpoint()}/"):
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _reason(error: Exception) -> str:
    """The innermost cause, which says more than the address again."""
    import requests

    where = "the proxy does not work: " if isinstance(error, requests.exceptions.ProxyError) else ""
    return where + _innermost(error)


def _innermost(error: BaseException) -> str:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def _version(response: Any) -> _Version:
    """Hugging Face states the sha256 and the size of a large file in its own answer, before it redirects."""
    headers: Mapping[str, str] = response.headers
    linked: Mapping[str, str] = next(
        (r.headers for r in (*response.history, response) if "X-Linked-Etag" in r.headers), {}
    )
    etag = (linked.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
    whole = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", headers.get("Content-Range", ""))
    length = headers.get("Content-Length") if response.status_code == 200 else None
    size = linked.get("X-Linked-Size") or (whole and whole[1]) or length
    name = f"{size} {etag or headers.get('Last-Modified')}"
    return _Version(
        size_bytes=None if size is None else int(size),
        sha256=etag if re.fullmatch("[0-9a-f]{64}", etag) else None,
        tag=hashlib.sha256(name.encode()).hexdigest()[:12],
    )


def _start(response: Any) -> int:
    """The first byte that the answer holds."""
    start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(start[1]) if start else 0


def _check_space(target: Path, needed_bytes: int, address: str) -> None:
    free_bytes = shutil.disk_usage(target.parent).free
    if needed_bytes > free_bytes:
        raise InputError(
            f"{address} needs {human_size(needed_bytes)} more, but the disk of {target.parent} has only "
            f"{human_size(free_bytes)} left; make room, or choose another folder with --models."
        )


def _write(response: Any, part: Path, done: int, version: _Version, progress: Progress | None, by_hand: str) -> None:
    from urllib3.exceptions import HTTPError

    try:
        with part.open("ab" if done else "wb") as file:
            # Not iter_content: when the connection breaks, that drops what it has read of its chunk.
            while chunk := response.raw.read(CHUNK_BYTES, decode_content=False):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, max(version.size_bytes or 0, done))
    except HTTPError as error:
        raise _TryAgainError(_innermost(error)) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"the disk of {part.parent} is full; make room and give the same command again (it goes on from the "
            f"{human_size(part.stat().st_size)} in {part.name}), or {by_hand}."
        ) from error
