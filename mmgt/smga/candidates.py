"""Sample several candidates of one speech, score how each moves with it, and return the best (re-ranking)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import InputError
from ..poses import PoseSequence
from ..seeds import NUM_SEEDS
from ..skeleton import (
    LEFT_ELBOW,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LOWER_INNER_LIP,
    NECK,
    NOSE,
    RIGHT_ELBOW,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    UPPER_INNER_LIP,
)
from ..speech.features import BEAT, MFCC, NUM_HANDCRAFTED, ONSET, SpeechFeatures
from ..speech.loudness import LOUDNESS_POWER
from ..speech.spectra import NUM_MELS
from .keep import KeptTrack
from .model import SMGA
from .sample import SamplerSettings, check_features, sample_poses

MAX_CANDIDATES = 16

MOVING_JOINTS = [NOSE, NECK, RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST]
BEAT_SIGMA_S = 3 / 60  # AIST++ (Li et al. 2021): 3 frames at 60 fps
SPEED_SIGMA_S = 5 / 60  # the same: jitter of a frame is no beat
WAVLM_WIDTH = 1024


@dataclass(frozen=True)
class Score:
    """How a candidate moves with the speech.

    beat_alignment: 0..1, ``beat_alignment``. lip_correlation: -1..1, ``lip_correlation``. total: their mean.
    """

    seed: int
    beat_alignment: float
    lip_correlation: float

    @property
    def total(self) -> float:
        return (self.beat_alignment + self.lip_correlation) / 2


def sample_candidates(
    model: SMGA,
    speech: SpeechFeatures,
    initial_pose: PoseSequence,
    *,
    seed: int,
    num_candidates: int = 1,
    settings: SamplerSettings = SamplerSettings(),
    kept: KeptTrack | None = None,
    close_lips: bool = True,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> tuple[PoseSequence, list[Score]]:
    """``sample_poses`` with the seeds seed, seed + 1, ..., one after another.

    Returns the poses with the best total (the first of equal ones) and the scores of all, in the order of the seeds.
    num_candidates: 1..16. close_lips: where nobody speaks; False leaves them as sampled. progress(step, total) counts
    the steps of all candidates.
    Raises InputError for another number, and for features without onsets, before anything is sampled.
    """
    check_number(num_candidates)
    check_features(model, speech.gesture)
    _handcrafted(speech)
    best: PoseSequence | None = None
    scores: list[Score] = []
    for idx in range(num_candidates):
        poses = sample_poses(
            model,
            speech.gesture,
            initial_pose,
            seed=(seed + idx) % NUM_SEEDS,
            speaking=speech.speaking if close_lips else None,
            settings=settings,
            kept=kept,
            progress=_part_of(progress, idx, num_candidates),
            device=device,
        )
        score = score_poses(poses, speech, (seed + idx) % NUM_SEEDS)
        if best is None or score.total > max(scores, key=_total).total:
            best = poses
        scores.append(score)
    assert best is not None
    return best, scores


def check_number(num_candidates: int) -> None:
    """Raise InputError unless it is 1..16."""
    if not 1 <= num_candidates <= MAX_CANDIDATES:
        raise InputError(f"there cannot be {num_candidates} candidates; sample 1 to {MAX_CANDIDATES}.")


def score_poses(poses: PoseSequence, speech: SpeechFeatures, seed: int) -> Score:
    """Poses at the speech's rate and length, scored against its onsets, beats and loudness."""
    heard = _handcrafted(speech)
    audio_beats = np.flatnonzero(heard[:, [ONSET, BEAT]].any(axis=1))
    return Score(seed, beat_alignment(poses, audio_beats), lip_correlation(poses, _loudness(heard[:, MFCC])))


def beat_alignment(poses: PoseSequence, audio_beats: np.ndarray) -> float:
    """Mean over motion beats of exp(-d^2 / 2 sigma^2), d s from the nearest audio beat, sigma 0.05 s: 0..1.

    BAS of AIST++ (Li et al. 2021). Motion beats are the local minima of the summed speed of head, shoulders, elbows and
    wrists, smoothed by a Gaussian of 0.083 s as there. audio_beats: frame indices. 0 without a beat on either side.
    """
    from scipy.ndimage import gaussian_filter1d

    if poses.num_frames < 4 or not len(audio_beats):
        return 0.0
    xy, shown = poses.pixels[:, MOVING_JOINTS].cpu().double(), poses.visible[:, MOVING_JOINTS].cpu()
    speed = (xy.diff(dim=0).norm(dim=-1) * (shown[1:] & shown[:-1])).sum(dim=1).numpy()  # [T - 1]
    speed = gaussian_filter1d(speed, SPEED_SIGMA_S * poses.fps)
    is_minimum = (speed[1:-1] < speed[:-2]) & (speed[1:-1] < speed[2:])
    motion_beats = np.flatnonzero(is_minimum) + 1.5  # speed[i] lies between frames i and i + 1
    if not len(motion_beats):
        return 0.0
    distance_s = np.abs(motion_beats[:, None] - audio_beats[None]).min(axis=1) / poses.fps
    return float(np.exp(-(distance_s**2) / (2 * BEAT_SIGMA_S**2)).mean())


def lip_correlation(poses: PoseSequence, loudness: np.ndarray) -> float:
    """Pearson's correlation of the inner lips' distance with the loudness [T]: -1..1, 0 where either never changes."""
    opening = (poses.pixels[:, UPPER_INNER_LIP] - poses.pixels[:, LOWER_INNER_LIP]).cpu().double().norm(dim=-1).numpy()
    if min(np.ptp(opening), np.ptp(loudness)) < 1e-9:
        return 0.0
    return float(np.corrcoef(opening, loudness)[0, 1])


def _loudness(mfcc: np.ndarray) -> np.ndarray:
    """[T, 20] -> [T] loudness 0 or more, in the middle of each video frame: the cepstrum taken back to mel bands.

    On the bundled recording its correlation with ``loudness.voice_loudness`` is 0.8.
    """
    from scipy.fft import idct

    bands_db = idct(mfcc.astype(np.float64), n=NUM_MELS, norm="ortho", axis=1)
    loudness = (10 ** (bands_db / 10)).sum(axis=1) ** (LOUDNESS_POWER / 2)  # of the power's root
    return (loudness + np.append(loudness[1:], loudness[-1:])) / 2  # MFCCs lie at the frames' beginnings


def score_table(scores: Sequence[Score]) -> str:
    """One line per candidate under a heading; the best is marked."""
    best = max(scores, key=_total)
    lines = [f"{'seed':>20}  {'beats':>5}  {'lips':>6}  {'total':>6}"]
    for s in scores:
        mark = "  best" if s is best else ""
        lines.append(f"{s.seed:>20}  {s.beat_alignment:>5.3f}  {s.lip_correlation:>6.3f}  {s.total:>6.3f}{mark}")
    return "\n".join(lines)


def _total(score: Score) -> float:
    return score.total


def _handcrafted(speech: SpeechFeatures) -> np.ndarray:
    """[T, 35]; raises InputError where the features hold none."""
    width = speech.gesture.shape[1]
    if width < NUM_HANDCRAFTED or width == WAVLM_WIDTH:
        raise InputError(
            f"the speech features are {width} wide and hold no onsets and beats to score candidates by; they must end "
            f"in the {NUM_HANDCRAFTED} hand-crafted features. Encode the speech with Encode Speech."
        )
    return speech.gesture[:, -NUM_HANDCRAFTED:].float().cpu().numpy()


def _part_of(
    progress: Callable[[int, int], None] | None, idx: int, num_candidates: int
) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda step, num_steps: progress(idx * num_steps + step, num_candidates * num_steps)
