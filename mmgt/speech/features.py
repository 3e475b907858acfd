"""Speech as it crosses stages: what SMGA and MM-HAA hear, one row per video frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

NUM_MFCC, NUM_CHROMA = 20, 12
NUM_HANDCRAFTED = 1 + NUM_MFCC + NUM_CHROMA + 2  # envelope, MFCC, chroma, onset peak, beat: the last columns of gesture
MFCC, ONSET, BEAT = slice(1, 1 + NUM_MFCC), NUM_HANDCRAFTED - 2, NUM_HANDCRAFTED - 1  # columns of these


SpeechKind = Literal["handcrafted", "wav2vec2"]  # what a video network hears


@dataclass(frozen=True)
class SpeechFeatures:
    """What the networks hear, one row per video frame.

    gesture: [T, 1059] (WavLM ++ hand-crafted) or [T, 35] (hand-crafted only) float32, for SMGA.
    video: [T, 12, 768] float32 wav2vec2 layers for MM-HAA, or None where no wav2vec2 was loaded.
    num_frames = ceil(recording seconds x fps).
    speaking: [T] float32, 1 where a voice sounds, 0 in silence and noise (see ``lips.close_lips_in_silence``).
    """

    gesture: Tensor
    video: Tensor | None
    num_frames: int
    fps: float
    speaking: Tensor

    @property
    def handcrafted(self) -> Tensor:
        """[T, 1, 35]: what a video network without wav2vec2 hears, as one layer."""
        return self.gesture[:, None, -NUM_HANDCRAFTED:]
