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

from ..errors import InputError

BAD_INPUT, UNFORESEEN = 2, 1
INTERRUPTED = 130  # as shells count Ctrl-C: 128 + the signal's number
INSIST_S = 0.5  # until a signal whose exception was lost comes again
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")  # torch's RuntimeErrors say so
DEBUG = "MMGT_DEBUG"  # 1: tracebacks are printed
LESS_MEMORY = "take a smaller size, fewer frames, or shorter speech"


def ending_of(error: Exception) -> tuple[int, str]:
    """The exit code, and a sentence with what to do. The traceback of what nobody foresaw goes to a file."""
    if isinstance(error, InputError):
        return BAD_INPUT, str(error)
    if isinstance(error, OSError) and (error.strerror or error.filename):
        place = f"{error.filename}: " if error.filename else ""
        return BAD_INPUT, f"{place}{error.strerror}; check that the place exists, is yours to use and has room."
    if isinstance(error, RecursionError):
        return BAD_INPUT, "an input is nested too deeply to be read; give another file."
    if isinstance(error, MemoryError):
        return BAD_INPUT, f"there is not enough memory; {LESS_MEMORY}."
    if isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY):
        return BAD_INPUT, f"there is not enough memory ({_first_line(error)}); {LESS_MEMORY}."
    if isinstance(error, ImportError) and not (error.name or "").startswith("mmgt"):
        return BAD_INPUT, _of_library(error)
    return UNFORESEEN, (
        f"this should not have happened ({type(error).__name__}: {_first_line(error)}). {_kept(error)} "
        "Try another input or other options, and please report it with that text."
    )


def _of_library(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"a library is missing ({error}); run `pip install -c constraints.txt '.[standalone]'` in mmgt's folder."
    return (
        f"{error.name or 'a library'} is installed, but cannot be imported ({_first_line(error)}); install it anew, "
        f"with `pip install --force-reinstall --no-deps {error.name or 'NAME'}`."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["without a word"])[0][:200]


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
