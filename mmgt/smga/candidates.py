"""Sample several candidates of one speech, score how each moves with it, and return the best (re-ranking)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import InputError
from ..evaluation.speech_motion import beat_alignment, feature_beats, feature_loudness, lip_correlation
from ..motion_edit.keep import KeptTrack
from ..poses import PoseSequence
from ..seeds import NUM_SEEDS
from ..speech.features import MFCC, NUM_HANDCRAFTED, SpeechFeatures
from .model import SMGA
from .sample import SamplerSettings, check_features, sample_poses

MAX_CANDIDATES = 16

WAVLM_WIDTH = 1024


SCORE_LEGEND = (
    "Higher is better; the first number is the mean of the two. beats, 0 to 1: how close head and arms stop to onsets "
    "and beats of the speech. lips, -1 to 1: how well the mouth's opening follows the loudness."
)


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
    features = _handcrafted(speech)
    loudness = feature_loudness(features[:, MFCC])
    return Score(seed, beat_alignment(poses, feature_beats(features)), lip_correlation(poses, loudness))


def score_table(scores: Sequence[Score]) -> str:
    """One line per candidate, the best marked, and what the numbers mean; readable in any font."""
    best = max(scores, key=_total)
    lines = [
        f"seed {s.seed}: {s.total:.3f} (beats {s.beat_alignment:.3f}, lips {s.lip_correlation:.3f})"
        f"{' - the best' if s is best and len(scores) > 1 else ''}"
        for s in scores
    ]
    return "\n".join([*lines, "", SCORE_LEGEND])


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
