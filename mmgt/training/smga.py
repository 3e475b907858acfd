"""Learning stage I: windows of poses and speech -> SMGA, as a run that can be watched, stopped and gone on with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..diffusion import NUM_TRAIN_STEPS, add_noise, cosine_alpha_bar
from ..draw import draw_poses
from ..errors import InputError
from ..pose_vector import FRAME_PX, TrainingFrame, mask_legs
from ..poses import PoseSequence
from ..smga.config import SMGAConfig
from ..smga.keys import to_authors
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings, sample_poses
from .clips import ClipSet, write_atomically
from .loop import Learner, Progress, tensorboard
from .mmhaa_samples import write_sheet
from .optimisers import Adan, ExponentialAverage
from .run import Run, is_best, step_generator
from .smga_loss import SMGALoss
from .team import ALONE, Team

STRIDE = 10  # frames (0.4 s) between windows
VALIDATION_CLIPS = 4


@dataclass(frozen=True)
class SMGATraining:
    """Settings of a run; defaults are the authors' where they have one.

    width, num_layers, num_heads, feed_forward_width: of the network (512, 8, 8, 1024 as published). condition_dropout:
    chance of a sample to learn without speech. hide_legs: the initial pose's legs are hidden as they are when sampling.
    average_decay: of the moving average, which is what is written and sampled.
    """

    seed: int = 0
    num_steps: int = 20_000
    batch: int = 128
    learning_rate: float = 2e-4
    weight_decay: float = 0.02
    condition_dropout: float = 0.25
    average_decay: float = 0.9999
    width: int = 512
    feed_forward_width: int = 1024
    num_layers: int = 8
    num_heads: int = 8
    hide_legs: bool = True
    loss: SMGALoss = field(default_factory=SMGALoss)

    def __post_init__(self) -> None:
        if min(self.num_steps, self.batch, self.width, self.num_layers, self.num_heads) < 1:
            raise InputError(
                f"steps, batch, width, layers and heads must be 1 or more, but are {self.num_steps}, {self.batch}, "
                f"{self.width}, {self.num_layers}, {self.num_heads}."
            )
        if self.width % self.num_heads or self.width % 2:
            raise InputError(f"a width of {self.width} must be even, and a multiple of its {self.num_heads} heads.")
        if not 0 <= self.condition_dropout < 1 or not 0 < self.average_decay < 1 or self.learning_rate <= 0:
            raise InputError(
                f"condition dropout must be 0 to below 1, the average's decay between 0 and 1 and the learning rate "
                f"positive, but they are {self.condition_dropout}, {self.average_decay} and {self.learning_rate}."
            )

    def config(self, audio_channels: int) -> SMGAConfig:
        return SMGAConfig(
            width=self.width,
            feed_forward_width=self.feed_forward_width,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            audio_channels=audio_channels,
        )


class PoseWindows:
    """Windows of a training set as SMGA diffuses them, read clip by clip when they are drawn."""

    def __init__(self, clips: ClipSet, length: int) -> None:
        self.clips, self.length = clips, length
        self.windows = list(clips.windows("train", length, STRIDE))
        if not self.windows:
            raise InputError(
                f"{clips.folder} has no training clip of {length} frames ({length / 25:g} s) or more; add longer clips."
            )

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Drawn windows: poses [B, L, 402] and speech features [B, L, D]."""
        chosen = torch.randint(len(self.windows), (size,), generator=generator).tolist()
        pairs = [self._window(idx) for idx in chosen]
        poses, features = zip(*pairs, strict=True)
        return torch.stack(poses), torch.stack(features)

    def _window(self, idx: int) -> tuple[Tensor, Tensor]:
        entry, start = self.windows[idx]
        frames = slice(start, start + self.length)
        poses = self.clips.poses(entry, frames)
        return TrainingFrame(poses.frames(0, 1)).vectors(poses).float(), self.clips.features(entry, frames)


def new_network(settings: SMGATraining, audio_channels: int) -> SMGA:
    """An untrained SMGA; its weights depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = SMGA(settings.config(audio_channels), ops=nn)
        for null in (network.null_tokens, network.null_summary):
            nn.init.normal_(null)
    return network


def training_loss(
    network: SMGA,
    poses: Tensor,
    features: Tensor,
    settings: SMGATraining,
    generator: torch.Generator,
    team: Team = ALONE,
) -> Tensor:
    """One batch's loss: timesteps, noise and dropped conditions are drawn on the CPU. team: takes its share."""
    timesteps = torch.randint(NUM_TRAIN_STEPS, (len(poses),), generator=generator)
    noise = torch.randn(poses.shape, generator=generator)
    drop = torch.rand(len(poses), generator=generator) < settings.condition_dropout
    initial_pose = mask_legs(poses[:, 0]) if settings.hide_legs else poses[:, 0]
    device = network.null_tokens.device
    noisy = add_noise(poses, noise, cosine_alpha_bar()[timesteps])
    share = team.share(len(poses) // team.size)
    given = (tensor[share.start : share.stop].to(device) for tensor in (noisy, initial_pose, features, timesteps, drop))
    return settings.loss(network(*given), poses[share.start : share.stop].to(device))


def train_smga(
    data: Path,
    out: Path,
    settings: SMGATraining,
    *,
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> SMGA:
    """Learn from a training set until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``smga.safetensors`` in it is the newest average in the authors' keys, ``best.safetensors``
    the one nearest to the held-out clips. progress(step, num_steps, loss). Returns the average as a network to sample.
    """
    clips = ClipSet(data)
    audio_channels = clips.entries[0].num_features
    network = new_network(settings, audio_channels).to(team.device)
    windows, run = PoseWindows(clips, network.config.num_frames), Run(out)
    if team.writes:
        run.begin({"task": "smga", "data": clips.digest(), **asdict(settings)})
    team.wait()
    optimiser = Adan(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    average = ExponentialAverage(network, settings.average_decay)
    held_out = new_network(settings, audio_channels).eval().requires_grad_(False)

    def backward(step: int) -> float:
        generator = step_generator(settings.seed, step)
        loss = training_loss(network, *windows.batch(settings.batch * team.size, generator), settings, generator, team)
        loss.backward()
        return loss.item()

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        held_out.load_state_dict(average.average)
        rows[-1]["rmse_px"] = round(validate(held_out, clips), 4)
        written = to_authors(held_out.state_dict()), {"config": json.dumps(config_of(held_out)), "step": str(step)}
        write_atomically(out / "smga.safetensors", *written)
        if is_best(rows, "rmse_px"):
            write_atomically(out / "best.safetensors", *written)
        return {}

    def samples(step: int) -> None:
        held_out.load_state_dict(average.average)
        write_samples(out / "samples" / f"step_{step:06d}.png", held_out, clips)

    Learner(
        run,
        network,
        optimiser,
        checkpoint,
        average,
        samples,
        team,
        save_every=save_every,
        sample_every=sample_every,
        board=tensorboard(out / "tensorboard") if board and team.writes else None,
    ).learn(settings.num_steps, backward, progress)
    held_out.load_state_dict(average.average)
    return held_out


def config_of(network: SMGA) -> dict[str, Any]:
    """What tensors do not show, for a checkpoint's metadata."""
    return {"num_heads": network.config.num_heads}


def write_samples(path: Path, network: SMGA, clips: ClipSet, num_clips: int = 2, side_px: int = 256) -> None:
    """Draw held-out clips' skeletons: the truth above, what the speech makes of the same initial pose below."""
    rows = []
    for truth, features in held_out_clips(clips, num_clips):
        sampled = sample_poses(network, features, truth.frames(0, 1), seed=0, settings=SamplerSettings(10))
        shown = [truth.num_frames * i // 8 for i in range(8)]
        rows += [list(draw_poses(poses.at(shown), side_px, side_px)) for poses in (truth, sampled)]
    write_sheet(path, rows)


def validate(network: SMGA, clips: ClipSet, num_clips: int = VALIDATION_CLIPS, num_steps: int = 10) -> float:
    """Root mean square error in px (of a 512 px picture) of poses sampled for held-out speech; smaller is better."""
    errors = [
        pose_rmse_px(
            sample_poses(network, features, truth.frames(0, 1), seed=0, settings=SamplerSettings(num_steps)), truth
        )
        for truth, features in held_out_clips(clips, num_clips)
    ]
    return sum(errors) / len(errors)


def held_out_clips(clips: ClipSet, num_clips: int) -> list[tuple[PoseSequence, Tensor]]:
    entries = clips.of_split("test") or clips.entries
    return [(clips.poses(entry), clips.features(entry)) for entry in entries[:num_clips]]


def pose_rmse_px(poses: PoseSequence, truth: PoseSequence) -> float:
    """Root mean square distance of keypoints in px of a 512 px picture."""
    scale = FRAME_PX / min(truth.height_px, truth.width_px)
    return float((poses.pixels - truth.pixels).square().sum(-1).mean().sqrt()) * scale
