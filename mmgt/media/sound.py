"""Recordings on disk, and sound on its way into a video.

Files are often damaged, joined or cut. What decodes is kept at its own time; where nothing decodes there is silence,
and a warning says when.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..speech.recording import Recording, resample, stereo_weights
from .files import check_decodable, check_file, import_av, opened, picture_tracks

logger = logging.getLogger("mmgt")

AAC_RATE_HZ = 48_000
SOUND_ADVICE = "give a wav, flac, mp3, m4a or ogg file with speech"
BLOCK = 1024  # samples of an AAC packet
GAP_S = 0.01  # timestamps are rounded: a sound that is this much late or early is on time
MAX_GAP_S = 600.0  # a clock that jumps further is wrong
MAX_SAMPLE = 8.0  # 18 dB beyond full scale: what is louder was never sound
MAX_FAILED_READS = 100  # one after another; then the rest of a file is lost


def read_recording(path: Path) -> Recording:
    """Decode the first audio stream of any file that PyAV reads (wav, flac, mp3, m4a, ogg, mp4, ...).

    Rate and channels are kept (the stream's, where they change inside of it); integer samples become float32 in -1..1.
    The sound of a film keeps its start offset. Raises InputError if nothing decodes.
    """
    with _opened_sound(path) as (container, stream):
        blocks = list(_decoded_sound(path, container, stream, stream.rate))
        if not blocks:
            raise InputError(f"{path} has a sound track without samples; {SOUND_ADVICE}.")
        return Recording(np.concatenate(blocks, axis=1), stream.rate)


def _decoded_sound(path: Path, container: Any, stream: Any, rate_hz: int) -> Iterator[np.ndarray]:
    """Blocks [C, n] float32 of a sound track at one rate, with its own number of channels, everything at its time."""
    pictures = picture_tracks(container)
    timeline = _Timeline(_second_zero(container, stream, pictures), rate_hz, stream.channels, bool(pictures))
    for packet in _packets(container, stream, timeline):
        try:
            frames = packet.decode()
        except import_av().FFmpegError:
            timeline.is_damaged = True
            continue
        for frame in frames:
            yield from timeline.placed(frame)
    yield from timeline.rest()
    gaps = [f"{start_s:.2f} to {end_s:.2f} s" for start_s, end_s in timeline.gaps_s]
    if gaps or timeline.is_damaged:
        where = ", ".join(gaps[:3]) + (f" and {len(gaps) - 3} times more" if len(gaps) > 3 else "")
        logger.warning("%s is damaged or has gaps: silence stands at %s", path, where or "its end")


def _second_zero(container: Any, stream: Any, pictures: list[Any]) -> float:
    """The time in the file that is second 0 of the sound: the picture's first frame, else where the sound begins.

    A sound file that begins late has lost its beginning; less than 0.1 s is its encoder's delay.
    """
    if pictures:
        first = pictures[0].start_time
        return 0.0 if first is None else float(first * pictures[0].time_base)
    start_s = 0.0 if stream.start_time is None else float(stream.start_time * stream.time_base)
    length_s = 0.0 if container.duration is None else container.duration / 1e6
    return 0.0 if 0.1 < start_s <= length_s else start_s


def _packets(container: Any, stream: Any, timeline: _Timeline) -> Iterator[Any]:
    """A stream's packets; what cannot be read is skipped."""
    unreadable = import_av().FFmpegError
    failed = 0
    while failed < MAX_FAILED_READS:
        try:
            for packet in container.demux(stream):
                failed = 0
                yield packet
            return
        except unreadable:
            failed += 1
            timeline.is_damaged = True


@dataclass
class _Timeline:
    """Decoded frames -> blocks of one rate and number of channels, each at its time; silence where there is none."""

    second_zero_s: float
    rate_hz: int
    num_channels: int
    may_begin_late: bool
    is_damaged: bool = False
    gaps_s: list[tuple[float, float]] = field(default_factory=list)
    _end_s: float = 0.0  # of what was placed
    _resampler: Any = None
    _format: tuple[Any, ...] = ()

    def placed(self, frame: Any) -> Iterator[np.ndarray]:
        length_s = frame.samples / frame.sample_rate
        late_s = 0.0 if frame.time is None else frame.time - self.second_zero_s - self._end_s
        if GAP_S < late_s < MAX_GAP_S:
            yield from self.rest()
            if self._end_s > 0 or not self.may_begin_late:
                self.gaps_s.append((self._end_s, self._end_s + late_s))
            self._end_s += late_s
            yield np.zeros((self.num_channels, round(late_s * self.rate_hz)), np.float32)
        elif -MAX_GAP_S < late_s < -GAP_S:  # it begins before the last one has ended
            if length_s + late_s <= 0:
                return
            frame, length_s = _without_first(frame, round(-late_s * frame.sample_rate)), length_s + late_s
        given = (frame.format.name, frame.layout.name, frame.sample_rate)
        if given != self._format:  # rate or channels may change inside of a file
            yield from self.rest()
            self._resampler, self._format = import_av().AudioResampler("fltp", frame.layout, self.rate_hz), given
        frame.pts = None  # its place is known; the resampler would go by it too
        self._end_s += length_s
        yield from self._blocks(frame)

    def rest(self) -> Iterator[np.ndarray]:
        """What waits in the resampler; it begins anew with the next frame."""
        if self._resampler is not None:
            yield from self._blocks(None)
            self._resampler, self._format = None, ()

    def _blocks(self, frame: Any | None) -> Iterator[np.ndarray]:
        for resampled in self._resampler.resample(frame):
            if resampled.samples:  # of a frame that the last one covers but for a rounding nothing is left
                yield _with_channels(resampled.to_ndarray().astype(np.float32, copy=False), self.num_channels)


def _with_channels(block: np.ndarray, num_channels: int) -> np.ndarray:
    """[C, n] -> [num_channels, n]: the same where it fits, else through left and right."""
    if len(block) == num_channels:
        return block
    stereo = stereo_weights(len(block)) @ block if len(block) > 2 else np.repeat(block, 2 // len(block), axis=0)
    if num_channels == 1:
        return stereo.mean(axis=0, keepdims=True)
    return np.concatenate([stereo, np.zeros((num_channels - 2, stereo.shape[1]), np.float32)])


def _without_first(frame: Any, num_samples: int) -> Any:
    """A decoded frame without its first samples."""
    samples = np.ascontiguousarray(frame.to_ndarray())
    per_sample = 1 if frame.format.is_planar else len(frame.layout.channels)
    shorter = import_av().AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[:, num_samples * per_sample :]), format=frame.format.name, layout=frame.layout.name
    )
    shorter.sample_rate = frame.sample_rate
    return shorter


def sound_offset_s(path: Path) -> float | None:
    """By how much a film's sound begins behind its picture, s; None where it lacks either. Raises InputError."""
    check_file(path, "video", "an mp4, mov or webm file")
    av = import_av()
    try:
        with opened(path) as container:
            tracks = [*picture_tracks(container)[:1], *container.streams.audio[:1]]
            if len(tracks) < 2 or any(track.start_time is None for track in tracks):
                return None
            picture_s, sound_s = (float(track.start_time * track.time_base) for track in tracks)
            return sound_s - picture_s
    except av.FFmpegError as error:
        raise InputError(f"{path} cannot be read as a video ({error.strerror}); give an mp4, mov or webm.") from error


@contextmanager
def _opened_sound(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its first sound track. Raises InputError for a file that has none or cannot be read."""
    check_file(path, "recording", "a wav, flac, mp3, m4a or ogg file")
    unreadable = import_av().FFmpegError
    try:
        with opened(path) as container:
            if not container.streams.audio:
                raise InputError(f"{path} has no sound in it; {SOUND_ADVICE}.")
            check_decodable(container.streams.audio[0], str(path), SOUND_ADVICE)
            yield container, container.streams.audio[0]
    except unreadable as error:
        raise InputError(f"{path} cannot be read as sound ({error.strerror}); {SOUND_ADVICE}.") from error


@dataclass(frozen=True)
class VideoSound:
    """Sound as a video's track takes it: blocks [1 or 2, n] of float32 samples, one after another."""

    rate_hz: int
    num_channels: int
    blocks: Iterator[np.ndarray]


def sound_for_aac(sound: Recording | Path) -> VideoSound:
    """A sound as AAC can hold it: unchanged where it can. More than two channels are mixed to two by the standard
    weights (``stereo_weights``), a rate that AAC does not know becomes 48 kHz."""
    if isinstance(sound, Path):
        with _opened_sound(sound) as (_, stream):
            own_rate_hz, num_channels = stream.rate, stream.channels
    else:
        own_rate_hz, num_channels = sound.rate_hz, sound.samples.shape[0]
    rate_hz = own_rate_hz if own_rate_hz in import_av().Codec("aac", "w").audio_rates else AAC_RATE_HZ
    if rate_hz != own_rate_hz:
        logger.info("the video's sound is resampled from %d to %d Hz, which AAC knows", own_rate_hz, rate_hz)
    blocks = _blocks_of_file(sound, rate_hz) if isinstance(sound, Path) else _blocks_of(sound, rate_hz)
    return VideoSound(rate_hz, min(num_channels, 2), (_with_channels(block, min(num_channels, 2)) for block in blocks))


def _blocks_of_file(path: Path, rate_hz: int) -> Iterator[np.ndarray]:
    with _opened_sound(path) as (container, stream):
        yield from _decoded_sound(path, container, stream, rate_hz)


def _blocks_of(recording: Recording, rate_hz: int) -> Iterator[np.ndarray]:
    samples = recording.samples
    if rate_hz != recording.rate_hz:
        samples = resample(samples, recording.rate_hz, rate_hz)
    for start in range(0, samples.shape[1], BLOCK):
        yield samples[:, start : start + BLOCK]


def audio_frames(sound: VideoSound) -> Iterator[Any]:
    """A sound as PyAV frames of ``BLOCK`` samples, each with its time; the last may be shorter."""
    waiting, start = np.zeros((sound.num_channels, 0), np.float32), 0
    for block in sound.blocks:
        waiting = np.concatenate([waiting, block], axis=1)
        while waiting.shape[1] >= BLOCK:
            yield audio_frame(waiting[:, :BLOCK], sound.rate_hz, start)
            waiting, start = waiting[:, BLOCK:], start + BLOCK
    if waiting.shape[1]:
        yield audio_frame(waiting, sound.rate_hz, start)


def audio_frame(samples: np.ndarray, rate_hz: int, start: int) -> Any:
    """Samples [1 or 2, n] as a PyAV frame that begins at a sample's place."""
    layout = "mono" if len(samples) == 1 else "stereo"
    audible = np.nan_to_num(samples.astype(np.float32)).clip(-MAX_SAMPLE, MAX_SAMPLE)  # AAC takes no others
    frame = import_av().AudioFrame.from_ndarray(np.ascontiguousarray(audible), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
    return frame
