"""Videos on disk, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import InputError
from .files import check_file, import_av, local


class VideoReader:
    """The frames of a video file by their place at another rate, read when they are asked for.

    Reading forward is cheap; going back starts over. The last frames that were asked for are kept, so windows that
    overlap decode each frame once. Memory does not grow with the length. Raises InputError if the file is no video.
    """

    KEPT_FRAMES = 32  # the longest window

    def __init__(self, path: Path, fps: float) -> None:
        check_file(path, "video", "an mp4, mov or webm file")
        self.path = path
        num_stored, rate = _stored_frames(path, str(path), "give a video, or a pose file (.json)")
        self.num_frames = max(1, round(num_stored / rate * Fraction(fps).limit_denominator(1001)))
        self._stored_per_frame = float(rate) / fps
        self._last_stored = num_stored - 1
        self._kept: dict[int, np.ndarray] = {}
        self._start_over()

    def _start_over(self) -> None:
        self._decoder = _decoded_frames(self.path, str(self.path))
        self._decoded: Any = None
        self._next_stored = 0

    def __call__(self, frames: Sequence[int]) -> list[np.ndarray]:
        """The frames of these places, [H, W, 3] uint8 RGB, upright: what each one's middle shows."""
        wanted = [min(int((t + 0.5) * self._stored_per_frame), self._last_stored) for t in frames]
        found = {stored_idx: self._read(stored_idx) for stored_idx in sorted(set(wanted))}
        return [found[stored_idx] for stored_idx in wanted]

    def _read(self, stored_idx: int) -> np.ndarray:
        if stored_idx not in self._kept:
            if stored_idx < self._next_stored:
                self._start_over()
            while self._next_stored <= stored_idx:
                self._decoded = next(self._decoder, self._decoded)  # a video cut off at its end holds its last frame
                self._next_stored += 1
            if len(self._kept) == self.KEPT_FRAMES:
                del self._kept[next(iter(self._kept))]
            self._kept[stored_idx] = upright(self._decoded)
        return self._kept[stored_idx]


class VideoStream:
    """The frames of a video one after another, each at its own time: nothing but one frame is held.

    source: a file's path, or an open file. num_frames: how many are stored. seconds: the time they are shown.
    Raises InputError if it is no video.
    """

    def __init__(self, source: Path | IO[bytes]) -> None:
        self._source = source
        self._name = str(source) if isinstance(source, Path) else "the video"
        if isinstance(source, Path):
            check_file(source, "video", "an mp4, mov or webm file")
        self.num_frames, rate = _stored_frames(source, self._name, "give a video")
        self.fps = float(rate)
        self.seconds = self.num_frames / self.fps

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Time in s from the first frame on, rising, and the frame [H, W, 3] uint8 RGB, upright."""
        step_s = 1 / self.fps
        first_s, last_s = None, -step_s
        for frame in _decoded_frames(self._source, self._name):
            first_s = (frame.time or 0.0) if first_s is None else first_s
            time_s = last_s + step_s if frame.time is None else frame.time - first_s
            last_s = time_s if time_s > last_s else last_s + step_s
            yield last_s, upright(frame)


def _stored_frames(source: Path | IO[bytes], name: str, otherwise: str) -> tuple[int, Fraction]:
    """How many frames a video holds, and their mean rate. Raises InputError if it is none."""
    av = import_av()
    try:
        with _opened(source) as container:
            if not container.streams.video:
                raise InputError(f"{name} has no picture in it; {otherwise}.")
            stream = container.streams.video[0]
            num_stored = sum(1 for packet in container.demux(stream) if packet.size)
            rate = stream.average_rate
    except av.FFmpegError as error:
        raise InputError(f"{name} cannot be read as a video ({error.strerror}); give an mp4, mov or webm.") from error
    if not num_stored or not rate:
        raise InputError(f"{name} is a video without frames; give an mp4, mov or webm file.")
    return num_stored, rate


def _decoded_frames(source: Path | IO[bytes], name: str) -> Iterator[Any]:
    """Every frame of a video, as PyAV decodes it. Raises InputError where that ends early."""
    av = import_av()
    try:
        with _opened(source) as container:
            yield from container.decode(video=0)
    except av.FFmpegError as error:
        raise InputError(f"{name} cannot be read as a video ({error.strerror}); export it again.") from error


def _opened(source: Path | IO[bytes]) -> Any:
    if isinstance(source, Path):
        return import_av().open(local(source))
    source.seek(0)
    return import_av().open(source)


def upright(frame: Any) -> np.ndarray:
    """A decoded frame as [H, W, 3] uint8 RGB, turned as the file says: a phone films upright and stores it lying."""
    quarter_turns = round(getattr(frame, "rotation", 0) / 90)  # counterclockwise; PyAV before 14 does not say
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns))
