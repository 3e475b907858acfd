"""``mmgt bench train``: what loading adds to a training step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..speech.features import NUM_HANDCRAFTED
from ..training.clips import ClipEntry, ClipSet, write_clip
from ..training.mmhaa import Batch, Batches, BothNetworks, MMHAARun, MMHAATraining
from ..training.new_networks import TINY, new_mmhaa
from ..training.optimisers import Adan, adamw
from ..training.processes import EVERYTHING, trainable
from ..training.run import Run, step_generator
from ..training.smga import PoseWindows, SMGATraining, new_network, training_loss
from ..training.video_set import VideoSet
from ..world.presenter import presenter
from .measure import interleaved, machine, peak_rss_mib

NUM_CLIPS, CLIP_FRAMES = 8, 250


def bench_train(num_runs: int = 5, latent: int = 16) -> dict[str, Any]:
    """A step with loading against the step on a fixed batch, of both stages, in CPU seconds of all threads together.

    So time that loading spends beside a step counts in full, though it is hidden where a core or a GPU is left. Small
    networks, where loading shows most: stage I with a batch of 32, as in the training guide; stage II (process 2, 12
    frames) on latents of latent x latent that are cached already, as after a clip's first draw.
    """
    with tempfile.TemporaryDirectory() as folder:
        clips = swaying_clips(Path(folder))
        smga = interleaved(*_smga_steps(clips), num_runs)
        video = interleaved(*_video_steps(VideoSet(clips, 8 * latent, filmed=_plain), latent), num_runs)
    return {
        "bench": "train",
        "smga_ratio": round(smga[1] / smga[0], 4),
        "smga_fixed_cpu_s": round(smga[0], 4),
        "smga_loading_cpu_s": round(smga[1], 4),
        "video_ratio": round(video[1] / video[0], 4),
        "video_fixed_cpu_s": round(video[0], 4),
        "video_loading_cpu_s": round(video[1], 4),
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


def swaying_clips(folder: Path) -> ClipSet:
    """Clips of 10 s of presenters who sway, with features of no speech."""
    entries = []
    for i in range(NUM_CLIPS):
        poses = presenter(i).at([0] * CLIP_FRAMES)
        poses.keypoints[:, :, 0] += 0.02 * torch.sin(torch.arange(CLIP_FRAMES) / 5 + i)[:, None]
        features = torch.randn(CLIP_FRAMES, NUM_HANDCRAFTED, generator=torch.Generator().manual_seed(i))
        entry = ClipEntry(f"clip{i}.safetensors", CLIP_FRAMES, NUM_HANDCRAFTED, "nobody", "train")
        write_clip(folder / entry.file, poses, features, {"speaker": "nobody", "source": "bench"})
        entries.append(entry)
    return ClipSet.write_index(folder, entries)


def _smga_steps(clips: ClipSet) -> tuple[Callable[[], None], Callable[[], None]]:
    settings = SMGATraining(batch=32, width=128, feed_forward_width=256, num_layers=4, num_heads=4)
    network = new_network(settings, NUM_HANDCRAFTED)
    windows = PoseWindows(clips, network.config.num_frames)
    optimiser = Adan(network.parameters())
    fixed, steps = windows.batch(settings.batch, step_generator(0, 0)), count()

    def step(batch: tuple[Tensor, Tensor], number: int) -> None:
        poses, features = batch
        optimiser.zero_grad()
        training_loss(network, poses, features, settings, step_generator(1, number)).backward()
        optimiser.step()

    def loading() -> None:
        number = next(steps)
        step(windows.batch(settings.batch, step_generator(0, number)), number)

    return lambda: step(fixed, next(steps)), loading


def _video_steps(videos: VideoSet, latent: int) -> tuple[Callable[[], None], Callable[[], None]]:
    settings = MMHAATraining(process="video", batch=1, side_px=8 * latent, speech_kind="handcrafted", sizes=TINY)
    networks = new_mmhaa(TINY, 0, with_video=True)
    trainable(networks, EVERYTHING)
    both = BothNetworks(networks)
    task = MMHAARun(Run(videos.clips.folder), settings, videos, both)
    optimiser = adamw(both.parameters(), settings.learning_rate, settings.weight_decay)
    for entry in videos.clips.entries:
        videos.latents(entry, slice(0, 1))
    batches = Batches(videos, settings)
    fixed, steps = batches.make(0), count()

    def step(batch: list[Batch]) -> None:
        optimiser.zero_grad()
        task.backward(batch)
        optimiser.step()

    return lambda: step(fixed), lambda: step(batches.make(next(steps)))


def _plain(_clips: ClipSet, _entry: ClipEntry, frames: Any, side_px: int, _person: int | None = None) -> Any:
    import numpy as np

    return np.full((len(frames), side_px, side_px, 3), 128, np.uint8)
