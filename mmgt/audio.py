"""Recordings: units, constants, mono, resampling, and samples <-> video frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .errors import InputError
from .poses import POSE_FPS

SPEECH_RATE_HZ = 16_000  # WavLM and wav2vec2
FRAME_SAMPLES = SPEECH_RATE_HZ // POSE_FPS  # 640: one video frame, 40 ms
HOP_SAMPLES = 512
FEATURE_RATE_HZ = POSE_FPS * HOP_SAMPLES  # 12 800 Hz: one hop of 512 samples is exactly one video frame
TEMPO_RATE_HZ = 22_050
RESAMPLING_BLOCK = 2**18  # samples taken at a time


@dataclass(frozen=True)
class Recording:
    """Sound as it was recorded: samples [C, S] float32 in -1..1, rate in Hz."""

    samples: np.ndarray
    rate_hz: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] < 1 or self.samples.shape[1] < 1:
            raise InputError(
                f"the recording has shape {self.samples.shape}; it needs at least one channel and one "
                "sample. Check that the file is not empty."
            )
        if self.rate_hz < 1:
            raise InputError(f"the recording's sample rate is {self.rate_hz} Hz; it must be positive.")
        if not np.isfinite(self.samples).all():
            raise InputError("the recording holds NaN or infinite samples; export it again as 16-bit or float wav.")

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.rate_hz

    def num_frames(self, fps: float = POSE_FPS) -> int:
        """Video frames that the recording lasts: ceil(seconds x fps), computed exactly."""
        return math.ceil(Fraction(self.samples.shape[1], self.rate_hz) * Fraction(fps).limit_denominator(1001))

    def mono(self) -> np.ndarray:
        """[S] float32, mean over channels."""
        return self.samples.mean(axis=0, dtype=np.float32)

    def mono_at(self, rate_hz: int) -> np.ndarray:
        """[ceil(S x rate / own rate)] float32: channel mean first, then soxr "HQ" resampling from the native rate."""
        return resample(self.samples, self.rate_hz, rate_hz, mono=True)[0]

    def mono_blocks_at(self, rate_hz: int) -> Iterator[np.ndarray]:
        """The samples of ``mono_at`` in blocks [n], without ever holding them all."""
        for block in _resampled_blocks(self.samples, self.rate_hz, rate_hz, mono=True):
            yield block[0]


def resample(samples: np.ndarray, from_hz: int, to_hz: int, *, mono: bool = False) -> np.ndarray:
    """Resample [C, S] float32 with soxr's high quality filter to [C, ceil(S x to / from)].

    mono: to [1, ...], from the mean over channels. Where nothing is to be done, the samples themselves are returned.
    """
    if from_hz == to_hz and not (mono and len(samples) > 1):
        return np.asarray(samples, np.float32)
    num_samples = -(-samples.shape[1] * to_hz // from_hz)
    resampled = np.zeros((1 if mono else len(samples), num_samples), np.float32)
    filled = 0
    for block in _resampled_blocks(samples, from_hz, to_hz, mono):
        resampled[:, filled : filled + block.shape[1]] = block
        filled += block.shape[1]
    return resampled


def _resampled_blocks(samples: np.ndarray, from_hz: int, to_hz: int, mono: bool) -> Iterator[np.ndarray]:
    """Blocks [C, n] float32 that together are as long as ``resample`` says; equal to resampling at once."""
    import soxr

    num_channels, num_samples = (1 if mono else len(samples)), samples.shape[1]
    wanted = -(-num_samples * to_hz // from_hz)
    stream = soxr.ResampleStream(from_hz, to_hz, num_channels, dtype="float32", quality="HQ")
    for start in range(0, num_samples, RESAMPLING_BLOCK):
        block = samples[:, start : start + RESAMPLING_BLOCK]
        if mono:
            block = block.mean(axis=0, keepdims=True, dtype=np.float32)
        if from_hz != to_hz:
            last = start + RESAMPLING_BLOCK >= num_samples
            block = stream.resample_chunk(np.ascontiguousarray(block.T, np.float32), last=last).T
        block = block[:, :wanted]
        wanted -= block.shape[1]
        yield block
    if wanted > 0:  # soxr may stop a sample short
        yield np.zeros((num_channels, wanted), np.float32)


def fit_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """Cut, or pad with silence at the end, to [num_samples]."""
    return np.pad(waveform[:num_samples], (0, max(0, num_samples - len(waveform))))
