"""Recordings on disk, and sound on its way into a video."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import Recording, resample
from ..errors import InputError
from .files import check_file, import_av

log = logging.getLogger("mmgt")

AAC_RATE_HZ = 48_000
SOUND_ADVICE = "give a wav, flac, mp3, m4a or ogg file with speech"


def read_recording(path: Path) -> Recording:
    """Decode the first audio stream of any file that PyAV reads (wav, flac, mp3, m4a, ogg, mp4, ...).

    Rate and channels are kept; integer samples become float32 in -1..1.
    """
    chunks, rate_hz = [], 0
    for frame in _decoded_sound(path):
        chunks.append(frame.to_ndarray())
        rate_hz = frame.sample_rate
    if not chunks:
        raise InputError(f"{path} has a sound track without samples; {SOUND_ADVICE}.")
    return Recording(np.concatenate(chunks, axis=1).astype(np.float32, copy=False), rate_hz)


def _decoded_sound(path: Path, rate_hz: int | None = None, layout: str | None = None) -> Iterator[Any]:
    """PyAV frames of float32 samples of a file's first sound track, at its own rate and layout if none is given."""
    with _opened_sound(path) as (container, stream):
        resampler = import_av().AudioResampler("fltp", layout or stream.layout, rate_hz or stream.rate)
        for decoded in container.decode(stream):
            yield from resampler.resample(decoded)
        yield from resampler.resample(None)


@contextmanager
def _opened_sound(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its first sound track. Raises InputError for a file that has none or cannot be read."""
    check_file(path, "recording", "a wav, flac, mp3, m4a or ogg file")
    av = import_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path} has no sound in it; {SOUND_ADVICE}.")
            yield container, container.streams.audio[0]
    except av.FFmpegError as error:
        raise InputError(f"{path} cannot be read as sound ({error.strerror}); {SOUND_ADVICE}.") from error


@dataclass(frozen=True)
class VideoSound:
    """Sound as a video's track takes it: PyAV frames of float32 samples, one after another."""

    rate_hz: int
    layout: str
    frames: Iterator[Any]


def sound_for_aac(sound: Recording | Path) -> VideoSound:
    """A sound as AAC can hold it: unchanged where it can; more than two channels become one, a rate that AAC does not
    know becomes 48 kHz."""
    if isinstance(sound, Path):
        with _opened_sound(sound) as (_, stream):
            own_rate_hz, num_channels = stream.rate, stream.channels
    else:
        own_rate_hz, num_channels = sound.rate_hz, sound.samples.shape[0]
    rate_hz = own_rate_hz if own_rate_hz in import_av().Codec("aac", "w").audio_rates else AAC_RATE_HZ
    if rate_hz != own_rate_hz:
        log.info("the video's sound is resampled from %d to %d Hz, which AAC knows", own_rate_hz, rate_hz)
    layout = "stereo" if num_channels == 2 else "mono"
    if isinstance(sound, Path):
        if num_channels <= 2:
            return VideoSound(rate_hz, layout, _decoded_sound(sound, rate_hz, layout))
        mono = (frame.to_ndarray().mean(axis=0, keepdims=True) for frame in _decoded_sound(sound, rate_hz))
        return VideoSound(rate_hz, layout, (_frame_of(samples, rate_hz, layout) for samples in mono))
    samples = sound.samples if num_channels <= 2 else sound.mono()[None]
    samples = samples if rate_hz == own_rate_hz else resample(samples, own_rate_hz, rate_hz)
    return VideoSound(rate_hz, layout, _frames_of(samples, rate_hz, layout))


def _frames_of(samples: np.ndarray, rate_hz: int, layout: str) -> Iterator[Any]:
    """Samples [C, S] as PyAV frames of at most 1024."""
    for start in range(0, samples.shape[1], 1024):
        yield _frame_of(samples[:, start : start + 1024], rate_hz, layout)


def _frame_of(samples: np.ndarray, rate_hz: int, layout: str) -> Any:
    frame = import_av().AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate = rate_hz
    return frame


def cut_sound(sound: VideoSound, num_samples: int) -> Iterator[Any]:
    """The frames of the first samples, each with its time."""
    start = 0
    for frame in sound.frames:
        if start >= num_samples:
            return
        if start + frame.samples > num_samples:
            frame = _frame_of(frame.to_ndarray()[:, : num_samples - start], sound.rate_hz, sound.layout)
        frame.pts, frame.time_base = start, Fraction(1, sound.rate_hz)
        start += frame.samples
        yield frame
