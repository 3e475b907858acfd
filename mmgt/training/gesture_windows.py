"""What Contextual Gesture learns from: windows of motion and speech, and the speakers' names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..contextual_gesture.chronology import another_order, cuts_at_pauses, cuts_at_words
from ..contextual_gesture.config import PARTS
from ..contextual_gesture.motion import Motion, MotionFrame
from ..errors import InputError
from ..evaluation.speech_motion import feature_loudness
from ..poses import POSE_FPS
from ..speech.features import MFCC, NUM_HANDCRAFTED
from .clips import ClipSet

STATISTICS_CLIPS = 400  # that means and deviations are taken from
MOTIONS_KEPT = 2000  # clips whose motion is kept after it was read: about 300 KB each
LEAST_DEVIATION = 0.02  # of the largest channel's: a number that hardly changes is not blown up


@dataclass(frozen=True)
class Windows:
    """A batch: motion of each part [B, T, C], speech features [B, T, D]; of which clips, from which frames."""

    motion: Motion
    features: Tensor
    clips: list[int]
    starts: list[int]


class GestureWindows:
    """Windows of ``num_frames`` out of a split's clips. Raises InputError where no clip lasts so long."""

    def __init__(self, clips: ClipSet, split: str, num_frames: int) -> None:
        self.clips, self.num_frames = clips, num_frames
        self.entries = [entry for entry in clips.of_split(split) if entry.num_frames >= num_frames]
        if not self.entries:
            raise InputError(
                f"{clips.folder} has no {split} clip of {num_frames} frames ({num_frames / POSE_FPS:g} s) or more; add "
                "longer clips."
            )
        self._motions: dict[int, Motion] = {}

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        return tuple(sorted({entry.speaker for entry in self.entries}))

    def speaker_indices(self, clips: list[int], speakers: tuple[str, ...]) -> Tensor:
        """[B] int64: the place of each clip's speaker among ``speakers``."""
        return torch.tensor([speakers.index(self.entries[idx].speaker) for idx in clips])

    def motion(self, idx: int) -> Motion:
        """A whole clip's motion [T, C] since its first frame."""
        if idx not in self._motions:
            poses = self.clips.poses(self.entries[idx])
            motion = MotionFrame(poses.frames(0, 1)).motion(poses)
            if len(self._motions) >= MOTIONS_KEPT:
                return motion
            self._motions[idx] = motion
        return self._motions[idx]

    def drawn(self, size: int, generator: torch.Generator) -> Windows:
        """``size`` windows at random places of different clips (of all once, twice, ... where there are fewer)."""
        clips: list[int] = []
        while len(clips) < size:
            clips += torch.randperm(len(self.entries), generator=generator).tolist()
        clips = clips[:size]
        places = torch.rand(size, generator=generator).tolist()
        rooms = [self.entries[idx].num_frames - self.num_frames + 1 for idx in clips]
        return self.at(clips, [int(place * room) for place, room in zip(places, rooms, strict=True)])

    def at(self, clips: list[int], starts: list[int]) -> Windows:
        cuts = [slice(start, start + self.num_frames) for start in starts]
        motions = [self.motion(idx) for idx in clips]
        features = [self.clips.features(self.entries[idx], cut) for idx, cut in zip(clips, cuts, strict=True)]
        return Windows(
            {part: torch.stack([m[part][cut] for m, cut in zip(motions, cuts, strict=True)]) for part in PARTS},
            torch.stack(features),
            clips,
            starts,
        )

    def another_order(self, windows: Windows, generator: torch.Generator) -> Tensor:
        """[B, T, D]: the windows' speech with its words, or stretches between pauses, in another order."""
        rows = []
        for features, idx, start in zip(windows.features, windows.clips, windows.starts, strict=True):
            words = read_words(self.clips.folder / self.entries[idx].file)
            if words is None:
                loudness = feature_loudness(features[:, -NUM_HANDCRAFTED:][:, MFCC].numpy())
                cuts = cuts_at_pauses(loudness)
            else:
                cuts = cuts_at_words(words, start, self.num_frames, POSE_FPS)
            rows.append(features[another_order(cuts, self.num_frames, generator)])
        return torch.stack(rows)

    def _statistics_clips(self) -> Iterator[int]:
        return iter(range(0, len(self.entries), -(-len(self.entries) // STATISTICS_CLIPS)))

    def motion_scale(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and deviation [C] of each part's motion."""
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for part in PARTS:
            frames = torch.cat([self.motion(idx)[part] for idx in self._statistics_clips()])
            deviation = frames.std(dim=0)
            found[part] = frames.mean(dim=0), deviation.clamp(min=max(LEAST_DEVIATION * float(deviation.max()), 1e-6))
        return found

    def speech_scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation [D] of the speech features; one that never changes keeps its unit."""
        frames = torch.cat([self.clips.features(self.entries[idx]) for idx in self._statistics_clips()]).double()
        deviation = frames.std(dim=0)
        return frames.mean(dim=0).float(), torch.where(deviation > 1e-6, deviation, 1.0).float()


def read_words(clip: Path) -> list[tuple[float, float]] | None:
    """Times of words of ``NAME.safetensors``, from ``NAME.words.json`` beside it: [[begin_s, end_s], ...], anything
    after the two; None where there is no such file. Raises InputError for another content."""
    path = clip.with_suffix(".words.json")
    if not path.is_file():
        return None
    try:
        words = [(float(word[0]), float(word[1])) for word in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise InputError(
            f"{path} holds no times of words ({error}); write [[begin_s, end_s], ...], or delete it."
        ) from error
    return words
