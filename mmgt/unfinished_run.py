"""What a run has finished, kept beside its output until that is whole: the same command goes on from there.

In ``.NAME.unfinished/KEY`` beside NAME, KEY being a hash of all that decides the result: ``step_0007.safetensors`` the
latents after a step (or what was predicted, see ``mmhaa.kept``), ``windows_0008_00032.safetensors`` what a step's sum
gained by windows up to the 32nd, ``frames_0000064.mkv`` decoded frames. A file is whole or not there.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .media import FrameMarks, write_video
from .media.lossless import read_lossless, write_lossless
from .media.sound import VideoSound
from .mmhaa.kept import KeptStep
from .provenance import Provenance
from .speech.recording import Recording

logger = logging.getLogger("mmgt")

PART_FRAMES = 64  # decoded frames of a file
HALF_WRITTEN, MADE, ALL_MADE = ".part", "made", "all_made"


@dataclass
class UnfinishedRun:
    """The folder of one run; as ``mmhaa.kept.Kept`` it is what sampling goes on from.

    A disk that is full ends the keeping, not the run.
    """

    folder: Path
    _is_full: bool = field(default=False, init=False)

    def time_of_making(self, now: str) -> str:
        """When the run began, which its file tells: now, or what was kept of the first time."""
        path = self.folder / MADE
        if not path.is_file():
            self._keep(path, lambda part: part.write_text(now, encoding="utf-8"))
            return now
        return path.read_text(encoding="utf-8")

    # ---- sampling

    def num_steps(self) -> int:
        steps = self._files("step")
        return 1 + _number(steps[-1]) if steps else 0

    def step(self, step_idx: int) -> KeptStep:
        with safe_open(self.folder / f"step_{step_idx:04d}.safetensors", framework="pt") as file:
            finer = json.loads(file.metadata()["finer"])
            return KeptStep(
                file.get_tensor("values"), {tuple(window): getattr(torch, dtype) for window, dtype in finer}
            )

    def keep_step(self, step_idx: int, step: KeptStep, only_last: bool) -> None:
        finer = [[list(window), str(dtype).removeprefix("torch.")] for window, dtype in step.finer.items()]
        self._write(f"step_{step_idx:04d}.safetensors", {"values": step.values}, {"finer": json.dumps(finer)})
        for earlier in self._files("windows") + (self._files("step")[:-1] if only_last else []):
            earlier.unlink()

    def windows(self, step_idx: int, total: Tensor) -> int:
        num_windows = 0
        for path in self._files(f"windows_{step_idx:04d}"):
            with safe_open(path, framework="pt") as file:
                total[:, file.get_tensor("frames").to(total.device)] = file.get_tensor("sums").to(total)
            num_windows = _number(path)
        return num_windows

    def keep_windows(self, step_idx: int, num_windows: int, frames: Tensor, sums: Tensor) -> None:
        self._write(f"windows_{step_idx:04d}_{num_windows:05d}.safetensors", {"frames": frames, "sums": sums}, {})

    # ---- decoding

    def frames(self, decode: Callable[[int, int], Iterator[np.ndarray]], num_frames: int) -> Iterator[np.ndarray]:
        """All frames, [H, W, 3] uint8 one by one: kept ones, and those of decode(first, the one after the last)."""
        for first in range(0, num_frames, PART_FRAMES):
            path, last = self.folder / f"frames_{first:07d}.mkv", min(first + PART_FRAMES, num_frames)
            if path.is_file():
                yield from read_lossless(path)
                continue
            made = []
            for frame in decode(first, last):
                made.append(frame)
                yield frame
            self._keep(path, lambda part, made=made: write_lossless(part, made))  # type: ignore[misc]
        self._keep(self.folder.parent / ALL_MADE, lambda part: part.touch())

    # ---- files

    def is_empty(self) -> bool:
        """Whether nothing is finished."""
        return not any(path.name != MADE for path in self.folder.glob("*"))

    def _files(self, kind: str) -> list[Path]:
        return sorted(self.folder.glob(f"{kind}_*.safetensors"))

    def _write(self, name: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
        own = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        self._keep(self.folder / name, lambda part: save_file(own, part, metadata))

    def _keep(self, path: Path, write: Callable[[Path], object]) -> None:
        if self._is_full:
            return
        part = path.with_name(path.name + HALF_WRITTEN)
        try:
            write(part)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            self._is_full = True
            part.unlink(missing_ok=True)
            logger.warning("%s cannot be written (%s): the run goes on, but cannot be gone on with", path, error)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def write_kept_video(
    kept: UnfinishedRun | None,
    path: Path,
    decode: Callable[[int, int], Iterator[np.ndarray]],
    num_frames: int,
    fps: float,
    sound: Recording | Path | VideoSound | None,
    codec: str = "h264",
    *,
    provenance: Provenance,
    frame_marks: FrameMarks,
) -> None:
    """``write_video`` of frames that decode(first, the one after the last) makes, or that ``kept`` has already.

    The file says that it was made when the run began.
    """
    frames, folder = decode(0, num_frames), None
    if kept is not None:
        frames, folder = kept.frames(decode, num_frames), kept.folder
        provenance = replace(provenance, made=kept.time_of_making(provenance.made))
    write_video(
        path, frames, fps, sound, codec, provenance=provenance, frame_marks=frame_marks, unfinished_in=folder
    )  # fmt: skip


@contextmanager
def unfinished_run(out: Path, key: str, keep: bool = True) -> Iterator[UnfinishedRun | None]:
    """The run that makes ``out`` from what ``key`` stands for; None where another process is making it already.

    What an earlier run of the key has finished is there. It all is removed when the block ends well, and stays when it
    is broken off, unless nothing was finished. keep: False lets it stay only where the process itself was killed.
    """
    from filelock import FileLock, Timeout

    home = out.with_name(f".{out.name}.unfinished")
    home.mkdir(exist_ok=True)
    lock = FileLock(home / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another run is making %s: this one keeps nothing to go on from", out)
        yield None
        return
    run = UnfinishedRun(home / key[:16])
    try:
        run.folder.mkdir(exist_ok=True)
        for half_written in run.folder.glob(f"*{HALF_WRITTEN}*"):
            half_written.unlink()
        if not run.is_empty():
            logger.info("going on with a run that was broken off after %d steps", run.num_steps())
        yield run
        _remove(home)
    finally:
        lock.release()
        if home.is_dir() and keep and not run.is_empty():
            logger.info("what is finished is kept in %s; the same command goes on from there", home)
        elif home.is_dir():
            shutil.rmtree(run.folder)
            if not any(path.is_dir() for path in home.iterdir()):  # of the same name with other settings
                shutil.rmtree(home)


def _remove(home: Path) -> None:
    """What says that all was made goes last: ``remove_finished`` removes what a kill leaves."""
    for folder in filter(Path.is_dir, list(home.iterdir())):
        shutil.rmtree(folder)
    shutil.rmtree(home)


def remove_finished(folder: Path) -> None:
    """Remove what belongs to videos of a folder that are whole: of runs that were killed at their very end."""
    from filelock import FileLock, Timeout

    for home in folder.glob(".*.unfinished"):
        if not (folder / home.name[1:].removesuffix(".unfinished")).exists():
            continue
        try:
            if (home / ALL_MADE).exists() or not any(path.is_dir() for path in home.iterdir()):
                with FileLock(home / "lock", timeout=0):
                    _remove(home)
        except (Timeout, FileNotFoundError):  # that run is just ending
            continue
