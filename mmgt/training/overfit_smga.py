"""The first thing to ask of a training: does SMGA learn eight clips by heart?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..poses import PoseSequence
from ..smga.sample import SamplerSettings, sample_poses
from ..speech.features import NUM_HANDCRAFTED
from .clips import ClipEntry, ClipSet
from .loop import Progress
from .smga import SMGATraining, train_smga
from .smga_loss import SMGALoss
from .synth import draw_clip

NUM_CLIPS, FIRST_FRAME, NUM_FRAMES = 8, 40, 80
SIDE_PX = 256  # of the picture that errors are told in

SETTINGS = SMGATraining(
    seed=0,
    num_steps=1500,
    batch=8,
    learning_rate=1e-3,
    optimiser="adamw",
    warm_up=50,
    dropout=0.0,
    condition_dropout=0.1,
    average_decay=0.99,
    width=128,
    feed_forward_width=256,
    num_layers=4,
    num_heads=4,
    loss=SMGALoss(lip_weight=10),
)


@dataclass(frozen=True)
class Learned:
    """error_px: mean distance of sampled keypoints from the truth, px of a 256 px picture, legs aside; still_px: of
    the first pose, held."""

    error_px: float
    still_px: float


def overfit_smga(out: Path, settings: SMGATraining = SETTINGS, progress: Progress | None = None) -> Learned:
    """Learn the clips, as a run in ``out`` that goes on where it was stopped, and sample all of them."""
    clips = eight_clips(out / "clips")
    network = train_smga(clips.folder, out / "run", settings, save_every=250, sample_every=500, progress=progress)
    pairs = []
    for entry in clips.entries:
        truth = clips.poses(entry)
        first = truth.frames(0, 1)
        sampled = sample_poses(network, clips.features(entry), first, seed=0, settings=SamplerSettings(guidance=1.0))
        pairs.append((distance_px(sampled, truth), distance_px(first.at([0] * NUM_FRAMES), truth)))
    error_px, still_px = torch.tensor(pairs).mean(dim=0).tolist()
    return Learned(error_px, still_px)


def eight_clips(folder: Path) -> ClipSet:
    """Of one window each; drawn once."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        ClipEntry(f"clip_{idx}.safetensors", NUM_FRAMES, NUM_HANDCRAFTED, "drawn", "train") for idx in range(NUM_CLIPS)
    ]
    for idx, entry in enumerate(entries):
        if not (folder / entry.file).is_file():
            draw_clip(folder / entry.file, 0, idx, range(FIRST_FRAME, FIRST_FRAME + NUM_FRAMES))
    return ClipSet.write_index(folder, entries)


def distance_px(poses: PoseSequence, truth: PoseSequence) -> float:
    """Mean distance of keypoints on a 256 px picture; the legs, which SMGA is not shown, lie below it."""
    seen = (truth.pixels[0, :, 1] < truth.height_px) & (truth.pixels[0, :, 1] >= 0)
    apart = (poses.pixels - truth.pixels).norm(dim=-1)[:, seen]
    return float(apart.mean()) * SIDE_PX / truth.height_px
