"""Clips made by processes of this machine: one for each accelerator, each with its own networks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from .clip import Clip, Status

MAX_TRIES = 3  # of a clip whose worker dies
JOIN_S = 5.0  # until a process that was ended is gone

Work = Callable[[Mapping[str, Any]], dict[str, Any]]  # a row of a clip -> a row of its status


def num_accelerators() -> int:
    """How many of them networks could run on here at a time; 0 where only the CPU is."""
    return torch.cuda.device_count() if torch.cuda.is_available() else int(torch.backends.mps.is_available())


def make_by_processes(
    clips: Iterable[Clip], build: Callable[[], Work], num_workers: int | None = None
) -> Iterator[Status]:
    """What became of each clip, in the order in which they end.

    build: makes a worker's callable, such as a ``partial`` of ``AnimateClip``; it goes to new processes, so it must be
    picklable. num_workers: None: one for each accelerator, or one on the CPU; more share them. A clip whose process
    dies is begun again by another one, up to ``MAX_TRIES`` times. Processes end with this generator.
    """
    waiting = deque((clip, 0) for clip in clips)
    free = list(range(min(num_workers or max(1, num_accelerators()), len(waiting))))
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and free:
                workers.append(_Worker.begun(build, free.pop(0), num_workers or 1, *waiting.popleft()))
            signs = [sign for worker in workers for sign in (worker.pipe, worker.process.sentinel)]
            ready = wait(signs)
            for worker in [one for one in workers if one.pipe in ready or one.process.sentinel in ready]:
                row = worker.answer()
                if row is not None:
                    yield Status.from_row(row)
                elif worker.num_tries < MAX_TRIES:
                    waiting.appendleft((worker.clip, worker.num_tries))
                else:
                    yield Status(worker.clip.id, False, time.perf_counter() - worker.began, error=worker.obituary())
                if row is None or not waiting:
                    worker.end()
                    workers.remove(worker)
                    free.append(worker.place)
                else:
                    worker.give(*waiting.popleft())
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.end()


@dataclass
class _Worker:
    """A process, and the clip that it is at. place: its number, which chooses its accelerator."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    place: int
    clip: Clip
    num_tries: int
    began: float

    @classmethod
    def begun(cls, build: Callable[[], Work], place: int, num_workers: int, clip: Clip, num_tries: int) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, build, place, num_workers), daemon=True)
        process.start()
        theirs.close()
        worker = cls(process, ours, place, clip, num_tries, time.perf_counter())
        worker.give(clip, num_tries)
        return worker

    def give(self, clip: Clip, num_tries: int) -> None:
        self.clip, self.num_tries, self.began = clip, num_tries + 1, time.perf_counter()
        with suppress(OSError):  # it has died since: answer() tells so
            self.pipe.send(clip.row())

    def answer(self) -> dict[str, Any] | None:
        """The status of its clip; None if it died over it."""
        try:
            return self.pipe.recv() if self.pipe.poll() else None
        except (EOFError, OSError):
            return None

    def obituary(self) -> str:
        self.process.join(JOIN_S)
        code = self.process.exitcode
        how = f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        return (
            f"its process died {self.num_tries} times ({how}), often for lack of memory; take fewer workers, a smaller "
            "size, or shorter speech."
        )

    def end(self) -> None:
        self.pipe.close()  # which ends a process that waits for a clip
        self.process.join(JOIN_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _work(pipe: Connection, build: Callable[[], Work], place: int, num_workers: int) -> None:
    """A worker's life: one clip after another until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    if torch.cuda.is_available():
        torch.cuda.set_device(place % torch.cuda.device_count())
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // num_workers))
    work = build()
    while True:
        try:
            row = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(work(row))
        except BrokenPipeError:  # whoever asked is gone
            return
