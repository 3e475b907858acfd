"""Recordings: units, constants, mono, resampling, and samples <-> video frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .errors import InputError
from .poses import POSE_FPS

SPEECH_RATE_HZ = 16_000  # WavLM and wav2vec2
HOP_SAMPLES = 512
FEATURE_RATE_HZ = POSE_FPS * HOP_SAMPLES  # 12 800 Hz: one hop of 512 samples is exactly one video frame
TEMPO_RATE_HZ = 22_050


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
        return resample(self.mono(), self.rate_hz, rate_hz)


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample [..., S] float32 with soxr's high quality filter; returns [..., ceil(S x to / from)]."""
    if from_hz == to_hz:
        return waveform
    import librosa

    return librosa.resample(waveform, orig_sr=from_hz, target_sr=to_hz, res_type="soxr_hq")


def fit_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """Cut, or pad with silence at the end, to [num_samples]."""
    return np.pad(waveform[:num_samples], (0, max(0, num_samples - len(waveform))))
