"""The ``mmgt`` command: which subcommands there are, and how a run ends."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from . import __version__
from .commands import bench, data, demo, generate, pose2video, poses, preview, train, weights
from .commands.caches import caches
from .errors import InputError

INTERRUPTED = 130  # as shells count Ctrl-C: 128 + the signal's number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 = done, 2 = bad input (one sentence on stderr), 128 + n = ended by signal n (Ctrl-C: 130)."""
    with _plain_output(), _signals_like_interrupts() as received:
        args = _parser().parse_args(argv)
        logging.basicConfig(format="mmgt: %(message)s", level=logging.INFO, stream=sys.stderr)
        try:
            with caches():
                args.run(args)
        except InputError as error:
            print(f"mmgt: error: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"mmgt: error: {_of_file(error)}", file=sys.stderr)
            return 2
        except RecursionError:
            print("mmgt: error: an input is nested too deeply to be read; give another file.", file=sys.stderr)
            return 2
        except MemoryError:
            print("mmgt: error: there is not enough memory; take a smaller size, or shorter speech.", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("mmgt: interrupted", file=sys.stderr)
            return 128 + received[0] if received else INTERRUPTED
    return 0


def _of_file(error: OSError) -> str:
    """A failure of the file system as a sentence."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; check that the place exists, is yours to use and has room."


@contextmanager
def _signals_like_interrupts() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does, so that nothing unfinished stays behind; lists those that came."""
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP
    try:
        before = {getattr(signal, name): signal.signal(getattr(signal, name), interrupt) for name in names}
    except ValueError:  # not the main thread: whoever calls from another one has signals of their own
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _plain_output() -> Iterator[None]:
    """What a terminal cannot show is replaced; a reader that has gone (``mmgt ... | head``) does not end the run."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.stdout, sys.stderr = (_Unheard(stream) for stream in streams)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in streams:
            try:
                stream.flush()
            except (BrokenPipeError, ValueError):  # Python itself would flush once more, and complain
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Unheard:
    """A text stream that goes on when nobody reads it any more."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)  # type: ignore[attr-defined]
        except BrokenPipeError:
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()  # type: ignore[attr-defined]
        except BrokenPipeError:
            return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmgt", description="A speech recording and one photo become a moving person."
    )
    parser.add_argument("--version", action="version", version=f"mmgt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for command in (demo, preview, generate, pose2video, poses, weights, data, train, bench):
        command.add_parser(commands)
    return parser
