"""The authors' loop over long speech, for comparison with the numbers that were recorded from it.

It chains 3.2 s slices through one frame, prepends the initial pose (which delays all motion by a frame) and smooths
at every 60th frame although slices meet at every 80th. ``mmgt/smga/sample.py`` is what users run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mmgt.smga.model import SMGA
from mmgt.smga.sample import Noise, SamplerSettings, sample_track
from mmgt.speech.recording import Recording

SLICE_SECONDS = 3.2
WHOLE_UP_TO_SECONDS = 3.3  # a recording up to here is not sliced
SMOOTHING_STRIDE = 60  # frames: left over from 60-frame windows
CHAIN_FRAME = 79  # the slice's last frame; the authors index 59


def slice_recording(recording: Recording) -> list[Recording]:
    """Mono slices of 3.2 s as the authors cut them: the first 3.2 s and the tail are lost, samples pass 16 bit.

    3.3 s or less: the recording as it is. Between 3.3 s and 6.4 s: no slice at all.
    """
    if recording.seconds <= WHOLE_UP_TO_SECONDS:
        return [recording]
    mono, window = recording.mono(), int(SLICE_SECONDS * recording.rate_hz)
    pcm16 = np.floor(np.clip(mono.astype(np.float64) * 32768, -32768, 32767)).astype(np.int16)
    return [
        Recording(pcm16[None, start : start + window].astype(np.float32) / 32768, recording.rate_hz)
        for start in range(window, len(mono) - window + 1, window)
    ]


def sample_slices(
    model: SMGA,
    slices: Sequence[Tensor],
    initial_vector: Tensor,
    noise: Callable[[int], Noise],
    settings: SamplerSettings = SamplerSettings(),
    chain_frame: int = CHAIN_FRAME,
) -> list[Tensor]:
    """Sample slice after slice: features [80, C] each -> [80, 402] each.

    noise(i) gives the draws of slice i. A slice starts from frame ``chain_frame`` of the one before it.
    """
    sampled: list[Tensor] = []
    start = initial_vector
    for slice_idx, features in enumerate(slices):
        sampled.append(sample_track(model, features, start, noise(slice_idx), settings))
        start = sampled[-1][chain_frame]
    return sampled


def assemble(slices: Sequence[Tensor], initial_vector: Tensor) -> Tensor:
    """N slices [80, 402] -> [80 N, 402]: the initial pose in front, the last frame dropped."""
    return torch.cat([initial_vector.float()[None], *slices])[:-1]


def smooth(vectors: Tensor, stride: int = SMOOTHING_STRIDE) -> Tensor:
    """Redraw frames p-7 .. p+6 around every multiple p of ``stride`` by a cubic spline through 3 + 3 knots beside them.

    [T, 402] -> [T, 402] float32. Knots are frames p-8, p-7, p-6 and p+5, p+6, p+7, so 10 frames change.
    """
    from scipy.interpolate import CubicSpline

    smoothed = vectors.float().numpy().copy()
    for p in range(stride, len(smoothed) - 7, stride):
        knots = [p - 8, p - 7, p - 6, p + 5, p + 6, p + 7]
        inside = np.arange(p - 7, p + 7)
        smoothed[inside] = CubicSpline(knots, smoothed[knots].astype(np.float64))(inside)
    return torch.from_numpy(smoothed)


def candidate_scores(previous: Tensor, candidates: Sequence[Tensor]) -> np.ndarray:
    """[num_candidates, 2] float64: position and angle term of the authors' motion selection; smaller is better.

    Reproduced with its quirks: the angle pairs channels (x, y), (score, x), ... and looks at the candidate's end. NaN
    where a pair of channels does not move.
    """

    def end_velocity(vectors: Tensor) -> np.ndarray:
        return np.diff(vectors[-6:].double().numpy(), axis=0).mean(axis=0).reshape(-1, 2) * 1000  # [201, 2]

    tail, velocity = previous[-5:], end_velocity(previous)
    scores = []
    for candidate in candidates:
        other = end_velocity(candidate)
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = (velocity * other).sum(1) / (np.linalg.norm(velocity, axis=1) * np.linalg.norm(other, axis=1))
        scores.append(((candidate[:5] - tail).abs().sum().item(), np.arccos(np.clip(cosine, -1, 1)).mean()))
    return np.array(scores)


def select_candidate(previous: Tensor, candidates: Sequence[Tensor]) -> int:
    """Index of the candidate that continues ``previous`` best; a candidate with a NaN score loses."""
    total = candidate_scores(previous, candidates).sum(axis=1)
    return int(np.argmin(np.where(np.isnan(total), np.inf, total)))
