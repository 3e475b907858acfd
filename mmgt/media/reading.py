"""Videos on disk, frame by frame."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import InputError
from .files import check_decodable, check_file, import_av, opened, picture_tracks

logger = logging.getLogger("mmgt")

ROUNDING_S = 5e-4  # containers round timestamps, Matroska to a millisecond
ONE_THREAD = ("vp7", "vp8")  # in FFmpeg 8 their threads wait for each other where a damaged frame has another size
SD_PX = 576  # short side of the largest picture of standard definition


class VideoReader:
    """The frames of a video file by their place at another rate, read when they are asked for.

    Reading forward is cheap; going back starts over. The last frames that were asked for are kept, so windows that
    overlap decode each frame once. Memory does not grow with the length. Raises InputError if the file is no video.
    """

    KEPT_FRAMES = 32  # the longest window

    def __init__(self, path: Path, fps: float) -> None:
        check_file(path, "video", "an mp4, mov or webm file")
        self.path, self.fps = path, fps
        self.clock = _read_clock(path, str(path), "give a video, or a pose file (.json)")
        self.num_frames = max(1, round(self.clock.seconds * fps))
        self._kept: dict[int, np.ndarray] = {}
        self._start_over()

    def _start_over(self) -> None:
        self._decoder = _timed_frames(self.path, str(self.path), self.clock)
        self._decoded: Any = None
        self._decoded_s = -1.0

    def __call__(self, frames: Sequence[int]) -> list[np.ndarray]:
        """The frames of these places, [H, W, 3] uint8 RGB, as they are shown: what each one's middle shows."""
        wanted = [self.clock.stored_at((t + 0.5) / self.fps) for t in frames]
        found = {stored_idx: self._read(stored_idx) for stored_idx in sorted(set(wanted))}
        return [found[stored_idx] for stored_idx in wanted]

    def _read(self, stored_idx: int) -> np.ndarray:
        if stored_idx not in self._kept:
            time_s = self.clock.times_s[stored_idx] - ROUNDING_S
            if self._decoded_s >= time_s:
                self._start_over()
            while self._decoded_s < time_s:
                decoded = next(self._decoder, None)
                if decoded is None:  # a video cut off at its end holds its last frame
                    break
                self._decoded_s, self._decoded = decoded
            if len(self._kept) == self.KEPT_FRAMES:
                del self._kept[next(iter(self._kept))]
            self._kept[stored_idx] = shown(self._decoded, self.clock.pixel_aspect)
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
        self._clock = _read_clock(source, self._name, "give a video")
        self.num_frames, self.seconds = len(self._clock.times_s), self._clock.seconds

    @property
    def fps(self) -> float:
        """The mean rate."""
        return self.num_frames / self.seconds

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Time in s from the first frame on, rising, and the frame [H, W, 3] uint8 RGB, as it is shown."""
        for time_s, frame in _timed_frames(self._source, self._name, self._clock):
            yield time_s, shown(frame, self._clock.pixel_aspect)


@dataclass(frozen=True)
class _Clock:
    """When a video's frames are shown: times_s [n] rising from 0, seconds until the last one ends.

    The file's own timestamps, behind its edit list: frames may be far apart, and the first may come late.
    pixel_aspect: width of a stored pixel by its height.
    """

    times_s: np.ndarray
    seconds: float
    pixel_aspect: float

    def stored_at(self, time_s: float) -> int:
        """The frame that is shown at a time; the last one stays."""
        return max(0, int(np.searchsorted(self.times_s, time_s + ROUNDING_S, side="right")) - 1)


def _read_clock(source: Path | IO[bytes], name: str, otherwise: str) -> _Clock:
    """The times of a video's frames, without decoding them. Raises InputError if it is none."""
    av = import_av()
    times: list[float] = []
    last_s, last_duration_s = -math.inf, 0.0
    try:
        with _opened(source) as container:
            if not picture_tracks(container):
                raise InputError(f"{name} has no picture in it; {otherwise}.")
            stream = picture_tracks(container)[0]
            check_decodable(stream, name, otherwise)
            aspect = _pixel_aspect(stream.codec_context.sample_aspect_ratio)
            mean_step_s = 1 / float(stream.average_rate or stream.guessed_rate or 25)
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                stamp = packet.dts if packet.pts is None else packet.pts
                time_s = len(times) * mean_step_s if stamp is None else float(stamp * packet.time_base)
                if time_s >= last_s:
                    last_s, last_duration_s = time_s, float((packet.duration or 0) * packet.time_base)
                times.append(time_s)
    except av.FFmpegError as error:
        if not times:
            raise InputError(
                f"{name} cannot be read as a video ({error.strerror}); give an mp4, mov or webm."
            ) from error
        logger.warning("%s cannot be read behind %.2f s (%s)", name, times[-1], error.strerror)
    if not times:
        raise InputError(f"{name} is a video without frames; give an mp4, mov or webm file.")
    times_s = np.sort(np.array(times))
    times_s -= times_s[0]
    return _Clock(times_s, float(times_s[-1]) + (last_duration_s or mean_step_s), aspect)


def _timed_frames(source: Path | IO[bytes], name: str, clock: _Clock) -> Iterator[tuple[float, Any]]:
    """Every frame of a video, as PyAV decodes it, with its time in s from the first one on, rising."""
    step_s = clock.seconds / len(clock.times_s)
    first_s, last_s = None, -step_s
    for frame in _decoded_frames(source, name):
        first_s = (frame.time or 0.0) if first_s is None else first_s
        time_s = last_s + step_s if frame.time is None else frame.time - first_s
        last_s = time_s if time_s > last_s else last_s + step_s
        yield last_s, frame


def _decoded_frames(source: Path | IO[bytes], name: str) -> Iterator[Any]:
    """What decodes of a video's frames. Raises InputError where nothing does."""
    unreadable = import_av().FFmpegError  # held here: when Python ends before the video, modules are gone first
    num_frames = num_lost = 0
    try:
        with _opened(source) as container:
            track = picture_tracks(container)[0]
            if track.codec_context.name in ONE_THREAD:
                track.codec_context.thread_count = 1
            for packet in container.demux(track):
                try:
                    for frame in packet.decode():
                        num_frames += 1
                        yield frame
                except unreadable:
                    num_lost += 1
    except unreadable as error:
        if not num_frames:
            raise InputError(f"{name} cannot be read as a video ({error.strerror}); export it again.") from error
        num_lost += 1
    if not num_frames:
        raise InputError(f"no frame of {name} can be decoded; export it again.")
    if num_lost:
        logger.warning("%s is damaged in %d places; the frame before stays there", name, num_lost)


def _opened(source: Path | IO[bytes]) -> Any:
    if not isinstance(source, Path):
        source.seek(0)
    return opened(source)


def shown(frame: Any, aspect: float) -> np.ndarray:
    """A decoded frame as [H, W, 3] uint8 RGB as a player shows it: turned or mirrored as the file says (a phone films
    upright and stores it lying), with square pixels, by the video's own colour matrix."""
    import cv2

    # RGB has no matrix, but before PyAV 17 the frame's own is taken as the target's, and equal ones as nothing to do.
    matrix = _colour_matrix(frame)
    picture = frame.reformat(format="rgb24", src_colorspace=matrix, dst_colorspace="DEFAULT").to_ndarray()
    if aspect != 1:
        height, width = picture.shape[:2]
        size = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(_turned(picture, frame))


def _colour_matrix(frame: Any) -> str:
    """The matrix that a frame was made with; what does not say is as players take it, by its size."""
    named = {1: "ITU709", 4: "FCC", 5: "ITU601", 6: "ITU601", 7: "SMPTE240M"}
    return named.get(int(frame.colorspace), "ITU709" if min(frame.width, frame.height) > SD_PX else "ITU601")


def _pixel_aspect(aspect: Fraction | None) -> float:
    """1 where the file does not say, or says something absurd."""
    return float(aspect) if aspect and 0.1 <= aspect <= 10 else 1.0


def _turned(picture: np.ndarray, frame: Any) -> np.ndarray:
    """By the display matrix: x' = a x + c y, y' = b x + d y."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    a, b, _, c, d = struct.unpack("<5i", bytes(matrix)[:20])
    if abs(b) > abs(a):  # columns become rows
        picture = picture.transpose(1, 0, 2)
        down, right = b, c
    else:
        down, right = d, a
    return picture[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
