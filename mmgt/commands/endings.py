"""How a run of ``mmgt`` ends: in one sentence whatever happened, and as a shell expects it."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import sentence_of, unforeseen

BAD_INPUT, UNFORESEEN = 2, 1
INTERRUPTED = 130  # as shells count Ctrl-C: 128 + the signal's number
INSIST_S = 0.5  # until a signal whose exception was lost comes again
DEBUG = "MMGT_DEBUG"  # 1: tracebacks are printed


def ending_of(error: Exception) -> tuple[int, str]:
    """The exit code, and a sentence with what to do. The traceback of what nobody foresaw goes to a file."""
    if (sentence := sentence_of(error)) is not None:
        return BAD_INPUT, sentence
    return UNFORESEEN, (
        f"{unforeseen(error)} {_kept(error)} Try another input or other options, and please report it with that text."
    )


def _kept(error: BaseException) -> str:
    """Where the traceback is, as a sentence."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG):
        sys.stderr.write(text)
        return "The traceback is above."
    try:
        handle, path = tempfile.mkstemp(prefix="mmgt-", suffix=".log")
        with open(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError:
        return f"Set {DEBUG}=1 and give the same command again, for the traceback."
    return f"The traceback is in {path}."


@contextmanager
def signals_like_interrupts() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does, so that nothing unfinished stays behind; lists those that came.

    A signal that whoever started the run has switched off (``nohup``: SIGHUP) stays off. Compiled code may drop an
    exception that is raised while it runs (numpy and FFmpeg's bindings clear errors of their own), so the signal comes
    again until the run's end has begun.
    """
    received: list[int] = []
    over = threading.Event()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            threading.Thread(target=insist, args=(number,), daemon=True).start()
        if not _clears_up():  # `timeout` sends two: the second must not break into the clearing up
            raise KeyboardInterrupt

    def insist(number: int) -> None:
        while not over.wait(INSIST_S):
            _thread.interrupt_main(signal.Signals(number))

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows: no SIGHUP
    try:
        before = {
            number: signal.signal(number, interrupt)
            for number in numbers
            if signal.getsignal(number) not in (signal.SIG_IGN, None)  # None: a handler that Python did not set
        }
    except ValueError:  # not the main thread: whoever calls from another one has signals of their own
        before = {}
    try:
        yield received
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _clears_up() -> bool:
    """Whether an interrupt is on its way up: an ``except``, ``finally`` or ``with`` is dealing with it."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


@contextmanager
def plain_output() -> Iterator[None]:
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
