"""A training set out of the world: presenters who speak sentences, with gestures by rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..poses import PoseSequence
from ..rhythm import Amplitudes, rhythm_poses
from ..speech.encode import handcrafted
from ..world.presenter import presenter
from ..world.voice import sentences, spoken
from .clips import INDEX, ClipEntry, ClipSet, write_clip

WORDS = (22, 34)  # about 7 to 14 s
TEST_SHARE = 0.1
# How speakers differ: (body, head, hands, face, lips).
STYLES = {
    "even": Amplitudes(),
    "lively": Amplitudes(1.3, 1.3, 1.4, 1.2, 1.1),
    "calm": Amplitudes(0.7, 0.7, 0.5, 0.8, 0.9),
    "hands": Amplitudes(0.9, 0.8, 1.8, 1.0, 1.0),
    "nodding": Amplitudes(0.8, 1.8, 0.6, 1.3, 1.0),
}


def synthesise(num_clips: int, folder: Path, seed: int, progress: Callable[[int, int], None] | None = None) -> ClipSet:
    """Draw clips into a folder; clips that are there already are kept, so a killed run goes on where it was.

    Clip i depends on (seed, i) only. Every tenth clip is held out for tests, with a presenter of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {entry.file: entry for entry in ClipSet(folder).entries} if (folder / INDEX).is_file() else {}
    entries = []
    for clip_idx in range(num_clips):
        name = f"world_{seed}_{clip_idx:06d}.safetensors"
        entries.append(
            known[name] if name in known and (folder / name).is_file() else draw_clip(folder / name, seed, clip_idx)
        )
        if (clip_idx + 1) % 50 == 0:
            ClipSet.write_index(folder, entries)
        if progress is not None:
            progress(clip_idx + 1, num_clips)
    others = [entry for file, entry in known.items() if file not in {entry.file for entry in entries}]
    return ClipSet.write_index(folder, entries + others)


def draw_clip(path: Path, seed: int, clip_idx: int, frames: range | None = None) -> ClipEntry:
    """Write one clip, or some frames of it; what it shows depends on (seed, clip_idx) only."""
    rng = np.random.default_rng([seed, clip_idx])
    text = sentences(rng, int(rng.integers(*WORDS)))
    person_seed, voice_seed, gesture_seed = (int(drawn) for drawn in rng.integers(0, 2**31, 3))
    style = str(rng.choice(list(STYLES)))
    recording = spoken(text, voice_seed)
    poses: PoseSequence = rhythm_poses(recording, presenter(person_seed), seed=gesture_seed, amplitudes=STYLES[style])
    features = handcrafted(recording).table(poses.num_frames)
    if frames is not None:
        poses, features = poses.frames(frames.start, frames.stop), features[frames.start : frames.stop]
    source = {"text": text, "style": style, "seeds": [person_seed, voice_seed, gesture_seed]}
    write_clip(path, poses, features, {"speaker": style, "source": json.dumps(source)})
    split = "test" if clip_idx % round(1 / TEST_SHARE) == 0 else "train"
    return ClipEntry(path.name, poses.num_frames, features.shape[1], style, split)
