"""Whether SMGA has learned: its poses for speech that it never heard, beside what needs no learning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..evaluation.pose_autoencoder import PoseAutoencoder, latents_of
from ..evaluation.poses import frechet_distance
from ..evaluation.speech_motion import beat_alignment, feature_beats, feature_loudness, lip_correlation, lip_lag
from ..poses import PoseSequence
from ..poses.skeleton import LEFT_WRIST, RIGHT_WRIST
from ..poses.vector import TrainingFrame
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings, check_features, sample_poses
from ..speech.features import MFCC, NUM_HANDCRAFTED
from .clips import ClipEntry, ClipSet
from .smga_start import SpeechScale

MAX_TRAINING_CLIPS = 1000  # among which the nearest is looked for
STRIDE = 10  # frames between windows
FGD = "FGD"
TRUTH, HELD = "truth", "first pose held"


@dataclass(frozen=True)
class Compared:
    """Means over the clips of one way from speech to poses.

    lip_correlation: with the loudness, -1..1. lip_lag: mean distance of the best lag from 0, frames. beat_alignment:
    0..1, as AIST++. moved_px: deviation of the wrists, px of the picture. frechet: distances of all windows' latents to
    the truth's, 0 or more, by the latents' names.
    """

    name: str
    lip_correlation: float
    lip_lag: float
    beat_alignment: float
    moved_px: float
    frechet: Mapping[str, float]


# Of poses and the speech features that they belong to: latents [N, D], by the names of the distances taken of them.
Latents = Callable[[PoseSequence, Tensor], dict[str, np.ndarray]]


@dataclass(frozen=True)
class HeldOutClip:
    """What ways from speech to poses are given, of one clip: its speech features [T, D], its first pose, another clip's
    speech of the same length; and the truth."""

    entry: ClipEntry
    truth: PoseSequence
    features: Tensor
    first: PoseSequence
    shuffled: Tensor


def held_out(clips: ClipSet, num_clips: int) -> list[ClipEntry]:
    """Raises InputError for less than 2 of them: each borrows another one's speech."""
    entries = clips.of_split("test")[:num_clips]
    if len(entries) < 2:
        raise InputError(f"{clips.folder} has {len(entries)} held-out clips, but 2 or more are compared; add clips.")
    return entries


def compare_ways(
    clips: ClipSet,
    entries: list[ClipEntry],
    ways: Callable[[int, HeldOutClip], Iterable[tuple[str, PoseSequence]]],
    latents: Latents,
    progress: Callable[[int, int], None] | None = None,
) -> list[Compared]:
    """The truth, what ``ways`` makes of the n-th clip, and its first pose held, scored against the clip's speech."""
    numbers: dict[str, list[tuple[float, float, float, float]]] = {}
    told: dict[str, dict[str, list[np.ndarray]]] = {}
    for idx, entry in enumerate(entries):
        truth, features = clips.poses(entry), clips.features(entry)
        first = truth.frames(0, 1)
        elsewhere = clips.features(entries[(idx + 1) % len(entries)])
        shuffled = elsewhere[torch.arange(len(features)) % len(elsewhere)]
        clip = HeldOutClip(entry, truth, features, first, shuffled)
        made = [(TRUTH, truth), *ways(idx, clip), (HELD, first.at([0] * truth.num_frames))]
        for name, poses in made:
            numbers.setdefault(name, []).append(motion_numbers(poses, features))
            for kind, of_poses in latents(poses, features).items():
                told.setdefault(kind, {}).setdefault(name, []).append(of_poses)
        if progress is not None:
            progress(idx + 1, len(entries))
    windows = {kind: {name: np.concatenate(each) for name, each in ways.items()} for kind, ways in told.items()}
    rows = []
    for name, of_clips in numbers.items():
        lips, lag, beats, moved_px = (mean(column) for column in zip(*of_clips, strict=True))
        frechet = {kind: frechet_distance(ways[name], ways[TRUTH]) for kind, ways in windows.items()}
        rows.append(Compared(name, lips, lag, beats, moved_px, frechet))
    return rows


def fgd_latents(autoencoder: PoseAutoencoder | None, poses: PoseSequence) -> dict[str, np.ndarray]:
    """What FGD is taken of; nothing without an auto-encoder."""
    return {} if autoencoder is None else {FGD: latents_of(autoencoder, poses, STRIDE)}


def compare_smga(
    networks: Mapping[str, SMGA],
    clips: ClipSet,
    num_clips: int = 20,
    settings: SamplerSettings = SamplerSettings(),
    seed: int = 0,
    autoencoder: PoseAutoencoder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Compared]:
    """Held-out clips: the truth, each network by its name, also for another clip's speech, the nearest training clip,
    the pose held still.

    All but the truth start from the clip's first pose. nearest: the training clip whose normalised features differ
    least, its motion added to the first pose. num_clips: 2 or more.
    """
    entries = held_out(clips, num_clips)
    for network in networks.values():
        check_features(network, clips.features(entries[0]))
    others = _TrainingClips(clips)

    def ways(idx: int, clip: HeldOutClip) -> Iterable[tuple[str, PoseSequence]]:
        for name, network in networks.items():
            for told, features in ((name, clip.features), (f"{name}, another clip's speech", clip.shuffled)):
                yield told, sample_poses(network, features, clip.first, seed=seed + idx, settings=settings)
        yield "nearest training clip", others.nearest(clip.features, clip.first)

    def latents(poses: PoseSequence, _features: Tensor) -> dict[str, np.ndarray]:
        return fgd_latents(autoencoder, poses)

    return compare_ways(clips, entries, ways, latents, progress)


def comparison_table(rows: list[Compared], num_clips: int) -> str:
    """Markdown; what is better is said in the heading."""
    headings = [
        f"{num_clips} held-out clips",
        "lips with loudness (higher)",
        "lag, frames (lower)",
        "beats (higher)",
        *(f"{kind} (lower)" for kind in rows[0].frechet),
        "wrists move, px",
    ]
    lines = [f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    for row in rows:
        numbers = [
            f"{row.lip_correlation:.3f}",
            f"{row.lip_lag:.2f}",
            f"{row.beat_alignment:.3f}",
            *(f"{distance:.3f}" for distance in row.frechet.values()),
            f"{row.moved_px:.1f}",
        ]
        lines.append(f"| {' | '.join((row.name, *numbers))} |")
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
