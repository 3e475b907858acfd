"""The first thing to ask of a training: does stage II learn one clip of 12 frames by heart?

All parts that the published network has take part, at small widths: both UNets, pose guider, motion modules, speech in
masked branches. The clip is a drawn presenter at the moment of a lively gesture, so that a still picture is no answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..diffusion import NUM_TRAIN_STEPS
from ..evaluation.frames import psnr
from ..mmhaa.load import load_mmhaa
from ..mmhaa.network import MMHAA
from ..speech.features import NUM_HANDCRAFTED
from .clips import ClipEntry, ClipSet
from .loop import Progress
from .mmhaa import AUTHORS_MASKS, NET, Batch, BothNetworks, Drops, MMHAARun, MMHAATraining, train_mmhaa
from .mmhaa_loss import MMHAALoss
from .mmhaa_samples import SAMPLE_STEPS, sample_window, write_sheet
from .new_networks import TINY, new_mmhaa
from .run import Run
from .synth import draw_clip
from .video_set import VideoSet

CLIP_SEED, CLIP_IDX, FIRST_FRAME, NUM_FRAMES = 0, 2, 254, 12
NUM_DRAWS = 50  # of noise and timesteps, on which the loss is measured before and after

SETTINGS = MMHAATraining(
    process="video",
    seed=0,
    num_steps=1500,
    batch=1,
    side_px=128,
    num_frames=NUM_FRAMES,
    learning_rate=1.5e-3,
    weight_decay=0.0,
    noise_offset=0.0,
    loss=MMHAALoss(schedule="linear"),
    drops=Drops(0, 0, 0, 0),
    reference="first",
    masks=AUTHORS_MASKS,
    speech_kind="handcrafted",
    everything=True,
    average_decay=0.995,
    sizes=replace(TINY, widths=(32, 64, 64, 64), num_groups=32),
)


@dataclass(frozen=True)
class Learned:
    """What came of it. loss: mean over the same draws, of the untrained and of the trained network.

    psnr_db: of the sampled frames against the truth, as the coder shows both; still_db: of the first frame, repeated.
    """

    loss_before: float
    loss_after: float
    psnr_db: float
    still_db: float


def overfit_video(out: Path, settings: MMHAATraining = SETTINGS, progress: Progress | None = None) -> Learned:
    """Learn the clip, as a run in ``out`` that goes on where it was stopped; sample.png: truth above, sample below."""
    videos = VideoSet(one_clip(out / "clip"), settings.side_px, speech_kind=settings.speech_kind, masks=settings.masks)
    train_mmhaa(videos, out / "run", settings, save_every=100, progress=progress)
    networks = load_mmhaa(out / "run" / NET.format(settings.num_steps))
    (entry,) = videos.clips.entries
    sampled = sample_window(networks, videos, entry, 0, 0, NUM_FRAMES, torch.device("cpu"), SAMPLE_STEPS)
    truth, made = (videos.coder.decode(latents) for latents in (videos.latents(entry, slice(0, NUM_FRAMES)), sampled))
    write_sheet(out / "sample.png", [list(truth[::2]), list(made[::2])])
    untrained = new_mmhaa(settings.sizes, settings.seed, with_video=True)
    return Learned(
        loss_on_draws(untrained, videos, settings),
        loss_on_draws(networks, videos, settings),
        psnr_db(made, truth),
        psnr_db(truth[:1].repeat(NUM_FRAMES, axis=0), truth),
    )


def one_clip(folder: Path) -> ClipSet:
    """A set of the one clip, to learn from; drawn once."""
    name = "clip.safetensors"
    if not (folder / name).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draw_clip(folder / name, CLIP_SEED, CLIP_IDX, range(FIRST_FRAME, FIRST_FRAME + NUM_FRAMES))
    return ClipSet.write_index(folder, [ClipEntry(name, NUM_FRAMES, NUM_HANDCRAFTED, "drawn", "train")])


@torch.no_grad()
def loss_on_draws(networks: MMHAA, videos: VideoSet, settings: MMHAATraining) -> float:
    """The training loss at timesteps that are spaced evenly, with the same noise for any network."""
    run = MMHAARun(Run(videos.clips.folder), settings, videos, BothNetworks(networks))
    clip = videos.clip(videos.clips.entries[0], 0, NUM_FRAMES, 0)
    generator = torch.Generator().manual_seed(settings.seed)
    losses = []
    for i in range(NUM_DRAWS):
        noise = torch.randn(clip.latents.shape, generator=generator)
        timestep = torch.tensor([round((i + 0.5) * NUM_TRAIN_STEPS / NUM_DRAWS)])
        losses.append(run.loss(Batch(clip, noise, timestep)).item())
    return sum(losses) / len(losses)


def psnr_db(pictures: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio of uint8 pictures, over all of them together."""
    return psnr(float(np.square(pictures.astype(np.float64) - truth).mean()))
