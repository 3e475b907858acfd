"""Recordings: units, constants, mono, resampling, and samples <-> video frames."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..poses import POSE_FPS

SPEECH_RATE_HZ = 16_000  # WavLM and wav2vec2
FRAME_SAMPLES = SPEECH_RATE_HZ // POSE_FPS  # 640: one video frame, 40 ms
HOP_SAMPLES = 512
FEATURE_RATE_HZ = POSE_FPS * HOP_SAMPLES  # 12 800 Hz: one hop of 512 samples is exactly one video frame
TEMPO_RATE_HZ = 22_050
RESAMPLING_BLOCK = 2**18  # samples taken at a time
MIN_COMPARED_S = 0.1  # what is shorter may cancel by chance
CANCELLED = 0.01  # of the louder channel's power (-20 dB): a mean below it has lost the voice

_SIDE = math.sqrt(0.5)  # -3 dB
# What each channel gives to (left, right) of two (ITU-R BS.775), in the order of wav: L R C LFE, back, sides.
_DOWNMIX = {
    3: [(1, 0), (0, 1), (_SIDE, _SIDE)],
    4: [(1, 0), (0, 1), (_SIDE, 0), (0, _SIDE)],
    5: [(1, 0), (0, 1), (_SIDE, _SIDE), (_SIDE, 0), (0, _SIDE)],
    6: [(1, 0), (0, 1), (_SIDE, _SIDE), (0, 0), (_SIDE, 0), (0, _SIDE)],
    7: [(1, 0), (0, 1), (_SIDE, _SIDE), (0, 0), (0.5, 0.5), (_SIDE, 0), (0, _SIDE)],
    8: [(1, 0), (0, 1), (_SIDE, _SIDE), (0, 0), (_SIDE, 0), (0, _SIDE), (_SIDE, 0), (0, _SIDE)],
}

logger = logging.getLogger("mmgt")


def stereo_weights(num_channels: int) -> np.ndarray:
    """[2, C] float32: how surround sound is mixed to left and right; any other number of channels evenly to both."""
    pairs = _DOWNMIX.get(num_channels, [(1 / num_channels,) * 2] * num_channels)
    return np.array(pairs, np.float32).T


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

    @cached_property
    def mono_weights(self) -> np.ndarray:
        """[C] float32: what each channel gives to ``mono``.

        The mean of left and right, of surround sound as ``stereo_weights`` mixes it. Where they cancel each other (a
        cable with one phase turned) the louder channel alone, which is said once.
        """
        num_channels = len(self.samples)
        weights = np.full(num_channels, 1 / num_channels, np.float32)
        if num_channels > 2:
            weights = stereo_weights(num_channels).mean(axis=0)
        if num_channels > 1 and self.seconds >= MIN_COMPARED_S:
            covariance = np.zeros((num_channels, num_channels))
            for start in range(0, self.samples.shape[1], RESAMPLING_BLOCK):
                block = self.samples[:, start : start + RESAMPLING_BLOCK].astype(np.float64)
                covariance += block @ block.T
            loudest = int(covariance.diagonal().argmax())
            if weights @ covariance @ weights < CANCELLED * covariance[loudest, loudest]:
                logger.warning(
                    "the channels of this recording cancel each other when they are mixed; channel %d of %d alone is "
                    "taken as the voice",
                    loudest + 1,
                    num_channels,
                )
                weights = np.eye(num_channels, dtype=np.float32)[loudest]
        return weights

    def mono(self) -> np.ndarray:
        """[S] float32, the channels mixed by ``mono_weights``."""
        return _mixed(self.samples, self.mono_weights)[0]

    def mono_at(self, rate_hz: int) -> np.ndarray:
        """[ceil(S x rate / own rate)] float32: mono first, then soxr "HQ" resampling from the native rate."""
        return resample(self.samples, self.rate_hz, rate_hz, self.mono_weights)[0]

    def mono_blocks_at(self, rate_hz: int) -> Iterator[np.ndarray]:
        """The samples of ``mono_at`` in blocks [n], without ever holding them all."""
        for block in _resampled_blocks(self.samples, self.rate_hz, rate_hz, self.mono_weights):
            yield block[0]


def _mixed(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[C, S] -> [1, S] float32. Equal weights are a mean, as the features that SMGA learned from were made."""
    if np.all(weights == np.float32(1 / len(samples))):
        return samples.mean(axis=0, keepdims=True, dtype=np.float32)
    return (weights @ samples)[None]


def resample(samples: np.ndarray, from_hz: int, to_hz: int, mono_weights: np.ndarray | None = None) -> np.ndarray:
    """Resample [C, S] float32 with soxr's high quality filter to [C, ceil(S x to / from)].

    mono_weights [C]: to [1, ...], from the channels mixed so. Where nothing is to be done, the samples themselves are
    returned.
    """
    if from_hz == to_hz and (mono_weights is None or len(samples) == 1):
        return np.asarray(samples, np.float32)
    num_samples = -(-samples.shape[1] * to_hz // from_hz)
    resampled = np.zeros((len(samples) if mono_weights is None else 1, num_samples), np.float32)
    filled = 0
    for block in _resampled_blocks(samples, from_hz, to_hz, mono_weights):
        resampled[:, filled : filled + block.shape[1]] = block
        filled += block.shape[1]
    return resampled


def _resampled_blocks(
    samples: np.ndarray, from_hz: int, to_hz: int, mono_weights: np.ndarray | None
) -> Iterator[np.ndarray]:
    """Blocks [C, n] float32 that together are as long as ``resample`` says; equal to resampling at once."""
    import soxr

    num_channels, num_samples = len(samples) if mono_weights is None else 1, samples.shape[1]
    wanted = -(-num_samples * to_hz // from_hz)
    stream = soxr.ResampleStream(from_hz, to_hz, num_channels, dtype="float32", quality="HQ")
    for start in range(0, num_samples, RESAMPLING_BLOCK):
        block = samples[:, start : start + RESAMPLING_BLOCK]
        if mono_weights is not None:
            block = _mixed(block, mono_weights)
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


def as_long_as(recording: Recording, vocals: Recording) -> Recording:
    """The vocals, cut or padded by at most one video frame. Raises InputError where more is missing or too much."""
    if abs(vocals.seconds - recording.seconds) > 1 / POSE_FPS:
        raise InputError(
            f"the vocals last {vocals.seconds:.2f} s, but the recording {recording.seconds:.2f} s; give the vocals of "
            "this recording, uncut."
        )
    num_samples = -(-recording.samples.shape[1] * vocals.rate_hz // recording.rate_hz)
    missing = max(0, num_samples - vocals.samples.shape[1])
    samples = np.pad(vocals.samples, ((0, 0), (0, missing))) if missing else vocals.samples[:, :num_samples]
    return Recording(samples, vocals.rate_hz)
