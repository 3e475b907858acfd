"""What the encoders read: mono at 16 kHz, normalised by the statistics of the whole recording."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..recording import SPEECH_RATE_HZ, Recording

# The convolutions of both networks: a step of theirs is 320 samples (20 ms) and spans 400 (25 ms).
CONV_KERNELS = (10, 3, 3, 3, 3, 2, 2)
CONV_STRIDES = (5, 2, 2, 2, 2, 2, 2)
STEP_SAMPLES = math.prod(CONV_STRIDES)
STEP_REACH_SAMPLES = 1 + sum((kernel - 1) * math.prod(CONV_STRIDES[:i]) for i, kernel in enumerate(CONV_KERNELS))


@dataclass(frozen=True)
class Speech:
    """Mono speech at 16 kHz, normalised when it is read: memory holds the samples once.

    samples: [S] float32 on the CPU. mean, variance: theirs. num_padding: zeros behind the normalised samples.
    """

    samples: Tensor
    mean: float
    variance: float
    num_padding: int

    @classmethod
    def of(cls, recording: Recording, num_padding: int = 0) -> Speech:
        """A recording; it is padded at least to what one step of the convolutions spans."""
        samples = torch.from_numpy(recording.mono_at(SPEECH_RATE_HZ))
        variance, mean = torch.var_mean(samples, correction=0)
        return cls(samples, mean.item(), variance.item(), max(num_padding, STEP_REACH_SAMPLES - len(samples)))

    @property
    def num_samples(self) -> int:
        """With the padding."""
        return len(self.samples) + self.num_padding

    @property
    def num_steps(self) -> int:
        """Steps of the convolutions."""
        return (self.num_samples - STEP_REACH_SAMPLES) // STEP_SAMPLES + 1

    def read(self, start: int, stop: int, epsilon: float) -> Tensor:
        """Samples start..stop-1, float32: (x - mean) / sqrt(variance + epsilon), then the zeros."""
        samples = (self.samples[start:stop] - self.mean) / math.sqrt(self.variance + epsilon)
        return nn.functional.pad(samples, (0, stop - start - len(samples)))
