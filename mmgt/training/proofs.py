"""Whether SMGA has learned: its poses for speech that it never heard, beside what needs no learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor

from ..errors import InputError
from ..evaluation.speech_motion import beat_alignment, feature_beats, feature_loudness, lip_correlation, lip_lag
from ..poses import PoseSequence
from ..poses.skeleton import LEFT_WRIST, RIGHT_WRIST
from ..poses.vector import TrainingFrame
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings, check_features, sample_poses
from ..speech.features import MFCC, NUM_HANDCRAFTED
from .clips import ClipSet
from .smga_start import SpeechScale

MAX_TRAINING_CLIPS = 1000  # among which the nearest is looked for


@dataclass(frozen=True)
class Compared:
    """Means over the clips of one way from speech to poses.

    lip_correlation: with the loudness, -1..1. lip_lag: mean distance of the best lag from 0, frames. beat_alignment:
    0..1, as AIST++. moved_px: deviation of the wrists, px of the picture.
    """

    name: str
    lip_correlation: float
    lip_lag: float
    beat_alignment: float
    moved_px: float


def compare_smga(
    network: SMGA,
    clips: ClipSet,
    num_clips: int = 20,
    settings: SamplerSettings = SamplerSettings(),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Compared]:
    """Held-out clips: the truth, SMGA, SMGA for another clip's speech, the nearest training clip, the pose held still.

    All but the truth start from the clip's first pose, and are scored against the clip's own speech. nearest: the
    training clip whose normalised features differ least, its motion added to the first pose. num_clips: 2 or more.
    """
    entries = clips.of_split("test")[:num_clips]
    if len(entries) < 2:
        raise InputError(f"{clips.folder} has {len(entries)} held-out clips, but 2 or more are compared; add clips.")
    check_features(network, clips.features(entries[0]))
    others = _TrainingClips(clips)
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for idx, entry in enumerate(entries):
        truth, features = clips.poses(entry), clips.features(entry)
        first = truth.frames(0, 1)
        elsewhere = clips.features(entries[(idx + 1) % len(entries)])
        shuffled = elsewhere[torch.arange(len(features)) % len(elsewhere)]
        ways = {
            "truth": truth,
            "SMGA": sample_poses(network, features, first, seed=seed + idx, settings=settings),
            "SMGA, another clip's speech": sample_poses(network, shuffled, first, seed=seed + idx, settings=settings),
            "nearest training clip": others.nearest(features, first),
            "first pose held": first.at([0] * truth.num_frames),
        }
        for name, poses in ways.items():
            rows.setdefault(name, []).append(motion_numbers(poses, features))
        if progress is not None:
            progress(idx + 1, len(entries))
    return [Compared(name, *map(mean, zip(*numbers, strict=True))) for name, numbers in rows.items()]


def comparison_table(rows: list[Compared], num_clips: int) -> str:
    """Markdown; what is better is said in the heading."""
    lines = [
        f"| {num_clips} held-out clips | lips with loudness (higher) | lag, frames (lower) | beats (higher) "
        "| wrists move, px |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.lip_correlation:.3f} | {row.lip_lag:.2f} | {row.beat_alignment:.3f} "
        f"| {row.moved_px:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


class _TrainingClips:
    """Speech features of a set's training clips, and the poses of the nearest one."""

    def __init__(self, clips: ClipSet) -> None:
        self.clips = clips
        self.entries = clips.of_split("train")[:MAX_TRAINING_CLIPS]
        features = [clips.features(entry) for entry in self.entries]
        self.scale = SpeechScale.of(torch.cat(features))
        self.features = [self.scale.normalised(each) for each in features]

    def nearest(self, features: Tensor, first: PoseSequence) -> PoseSequence:
        """As many frames as ``features``; a shorter clip holds its last pose."""
        wanted = self.scale.normalised(features)

        def distance(idx: int) -> float:
            both = min(len(wanted), len(self.features[idx]))
            return float((wanted[:both] - self.features[idx][:both]).square().mean())

        entry = self.entries[min(range(len(self.entries)), key=distance)]
        poses = self.clips.poses(entry)
        frame = TrainingFrame(first)
        motion = TrainingFrame(poses.frames(0, 1)).vectors(poses)
        motion = motion[torch.arange(len(features)).clamp(max=len(motion) - 1)]
        return frame.poses((frame.vectors(first) + motion - motion[:1]).float())


def motion_numbers(poses: PoseSequence, features: Tensor) -> tuple[float, float, float, float]:
    """Lips' correlation, distance of their best lag from 0, beat alignment, deviation of the wrists in px."""
    handcrafted = features[:, -NUM_HANDCRAFTED:].numpy()
    loudness = feature_loudness(handcrafted[:, MFCC])
    moved_px = float(poses.pixels[:, [RIGHT_WRIST, LEFT_WRIST]].std(dim=0).mean())
    return (
        lip_correlation(poses, loudness),
        float(abs(lip_lag(poses, loudness))),
        beat_alignment(poses, feature_beats(handcrafted)),
        moved_px,
    )
