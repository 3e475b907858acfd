"""Learning stage I: windows of poses and speech -> SMGA, as a run that can be watched, stopped and gone on with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..diffusion import NUM_TRAIN_STEPS, add_noise, cosine_alpha_bar
from ..errors import InputError, check_choice
from ..poses import PoseSequence
from ..poses.draw import draw_poses
from ..poses.vector import FRAME_PX, TrainingFrame, mask_legs
from ..smga.config import SMGAConfig, StartPose
from ..smga.keys import to_authors
from ..smga.load import load_smga
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings, sample_poses
from .clips import ClipSet, write_atomically
from .dropout import add_dropout
from .loop import Learner, Progress
from .mmhaa_samples import write_sheet
from .optimisers import Adan, ExponentialAverage, adamw, set_rate
from .run import Run, is_best, learning, step_generator
from .smga_loss import SMGALoss
from .smga_start import SpeechScale, begin_aligned
from .team import ALONE, Team

STRIDE = 10  # frames (0.4 s) between windows
HELD_OUT_FRAMES = 750  # of a clip: films of an hour are not sampled whole
VALIDATION_CLIPS = 4
START_WINDOWS = 400  # that statistics of poses and speech are taken from
Begin = Literal["aligned", "random"]
OptimiserName = Literal["adan", "adamw"]
Timesteps = Literal["uniform", "low"]


@dataclass(frozen=True)
class SMGATraining:
    """Settings of a run; defaults are the authors' where they have one.

    width, num_layers, num_heads, feed_forward_width: of the network (512, 8, 8, 1024 as published). condition_dropout:
    chance of a sample to learn without speech. hide_legs: the initial pose's legs are hidden as they are when sampling.
    average_decay: of the moving average, which is what is written and sampled. begin: "aligned" as ``smga_start`` says,
    from normalised speech; "random" as the authors. optimiser: "adan" with the authors' numbers, or "adamw".
    warm_up: steps in which the learning rate rises. dropout: of what blocks add, 0.1 as the authors. two_branches,
    film, start_pose, target_offset: see ``SMGAConfig``. timesteps: "uniform" as the authors, or "low": squares of
    uniform draws, a third of them below 100. Poses move by hundredths of the unit noise, so only there do they show
    through it; trained uniformly, a small network learns to look past them, and samples a mean.
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
    begin: Begin = "aligned"
    optimiser: OptimiserName = "adan"
    warm_up: int = 0
    timesteps: Timesteps = "uniform"
    dropout: float = 0.1
    two_branches: bool = True
    film: bool = True
    start_pose: StartPose = "concat"
    target_offset: int = 0
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
        check_choice("begin", self.begin, get_args(Begin))
        check_choice("optimiser", self.optimiser, get_args(OptimiserName))
        check_choice("timesteps", self.timesteps, get_args(Timesteps))
        check_choice("start_pose", self.start_pose, get_args(StartPose))
        if self.warm_up < 0 or not 0 <= self.dropout < 1 or self.target_offset not in (0, 1):
            raise InputError(
                f"the warm-up is {self.warm_up} steps, dropout {self.dropout} and the target's offset "
                f"{self.target_offset}; they must be 0 or more, 0 to below 1, and 0 or 1."
            )
        if self.begin == "aligned" and self.start_pose == "add":
            raise InputError(
                "an aligned beginning needs the initial pose beside the noisy ones (start_pose concat), not added to "
                "them; begin at random."
            )

    def config(self, audio_channels: int) -> SMGAConfig:
        return SMGAConfig(
            width=self.width,
            feed_forward_width=self.feed_forward_width,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            audio_channels=audio_channels,
            two_branches=self.two_branches,
            film=self.film,
            start_pose=self.start_pose,
            target_offset=self.target_offset,
        )


class PoseWindows:
    """Windows of a training set as SMGA diffuses them, read clip by clip when they are drawn.

    offset: frames between the initial pose, which comes first, and the window.
    """

    def __init__(self, clips: ClipSet, length: int, offset: int = 0) -> None:
        self.clips, self.offset = clips, offset
        self.num_frames = length + offset
        self.windows = list(clips.windows("train", self.num_frames, STRIDE))
        if not self.windows:
            raise InputError(
                f"{clips.folder} has no training clip of {self.num_frames} frames ({self.num_frames / 25:g} s) or "
                "more; add longer clips."
            )

    def batch(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Drawn windows: poses [B, offset + L, 402] and speech features [B, L, D]."""
        chosen = torch.randint(len(self.windows), (size,), generator=generator).tolist()
        pairs = [self._window(idx) for idx in chosen]
        poses, features = zip(*pairs, strict=True)
        return torch.stack(poses), torch.stack(features)

    def spread(self, most: int = START_WINDOWS) -> tuple[Tensor, Tensor]:
        """At most ``most`` windows, evenly over the set, as ``batch`` gives them."""
        chosen = range(0, len(self.windows), -(-len(self.windows) // most))
        poses, features = zip(*(self._window(idx) for idx in chosen), strict=True)
        return torch.stack(poses), torch.stack(features)

    def _window(self, idx: int) -> tuple[Tensor, Tensor]:
        entry, start = self.windows[idx]
        end = start + self.num_frames
        poses = self.clips.poses(entry, slice(start, end))
        features = self.clips.features(entry, slice(start + self.offset, end))
        return TrainingFrame(poses.frames(0, 1)).vectors(poses).float(), features


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
    """One batch's loss: timesteps, noise and dropped conditions are drawn on the CPU. team: takes its share.

    poses [B, offset + L, 402]: the initial pose is the first of them.
    """
    initial_pose = mask_legs(poses[:, 0]) if settings.hide_legs else poses[:, 0]
    poses = poses[:, settings.target_offset :]
    timesteps = drawn_timesteps(settings.timesteps, len(poses), generator)
    noise = torch.randn(poses.shape, generator=generator)
    drop = torch.rand(len(poses), generator=generator) < settings.condition_dropout
    device = network.null_tokens.device
    noisy = add_noise(poses, noise, cosine_alpha_bar()[timesteps])
    share = team.share(len(poses) // team.size)
    given = (tensor[share.start : share.stop].to(device) for tensor in (noisy, initial_pose, features, timesteps, drop))
    return settings.loss(network(*given), poses[share.start : share.stop].to(device))


def drawn_timesteps(kind: Timesteps, size: int, generator: torch.Generator) -> Tensor:
    """[size] int64 of 0..999, as ``SMGATraining.timesteps`` says."""
    if kind == "uniform":
        return torch.randint(NUM_TRAIN_STEPS, (size,), generator=generator)
    return (torch.rand(size, generator=generator).square() * NUM_TRAIN_STEPS).long()


def train_smga(
    data: Path,
    out: Path,
    settings: SMGATraining,
    *,
    start: Path | None = None,
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> SMGA:
    """Learn from a training set until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``smga.safetensors`` in it is the newest average in the authors' keys, ``best.safetensors``
    the one nearest to the held-out clips. start: a trained SMGA that a new run goes on from; with begin "aligned" its
    two projections of poses stay as they are. progress(step, num_steps, loss). Returns the average as a network to
    sample.
    """
    clips = ClipSet(data)
    audio_channels = clips.entries[0].num_features
    network = new_network(settings, audio_channels)
    windows, run = PoseWindows(clips, network.config.num_frames, settings.target_offset), Run(out)
    scale = SpeechScale.none(audio_channels)
    if settings.begin == "aligned":
        poses, features = windows.spread()
        begin_aligned(network, poses)
        scale = SpeechScale.of(features.flatten(0, 1))
    if start is not None:
        network.load_state_dict(scale.unfolded(start_of(start, network.config).state_dict()))
    network.to(team.device)
    add_dropout(network, settings.dropout)
    if team.writes:
        began = {} if start is None else {"start": hashlib.sha256(start.read_bytes()).hexdigest()}
        run.begin({"task": "smga", "data": clips.digest(), **began, **asdict(settings)})
    team.wait()
    optimiser = optimiser_of(settings, network)
    average = ExponentialAverage(network, settings.average_decay)
    held_out = new_network(settings, audio_channels).eval().requires_grad_(False)

    def backward(step: int) -> float:
        generator = step_generator(settings.seed, step)
        poses, features = windows.batch(settings.batch * team.size, generator)
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)) + team.rank)  # of dropout
        loss = training_loss(network, poses, scale.normalised(features), settings, generator, team)
        loss.backward()
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up)
        return loss.item()

    def take_average() -> None:
        """The held-out network becomes the average, over raw speech features."""
        held_out.load_state_dict(scale.folded({**network.state_dict(), **average.average}))

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        take_average()
        rows[-1]["rmse_px"] = round(validate(held_out, clips), 4)
        written = to_authors(held_out.state_dict()), {"config": json.dumps(config_of(held_out)), "step": str(step)}
        write_atomically(out / "smga.safetensors", *written)
        if is_best(rows, "rmse_px"):
            write_atomically(out / "best.safetensors", *written)
        return {}

    def samples(step: int) -> None:
        take_average()
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
        board=board,
    ).learn(settings.num_steps, backward, progress)
    take_average()
    return held_out


def start_of(path: Path, config: SMGAConfig) -> SMGA:
    """A file's network. Raises InputError if it is of other sizes than the run's."""
    network = load_smga(path)
    if network.config != config:
        names = [name for name, value in asdict(config).items() if asdict(network.config)[name] != value]
        differs = ", ".join(f"{name} {asdict(network.config)[name]} (not {asdict(config)[name]})" for name in names)
        raise InputError(f"{path} holds an SMGA of {differs}; train with its sizes, or on features of its kind.")
    return network


def optimiser_of(settings: SMGATraining, network: SMGA) -> torch.optim.Optimizer:
    parameters = list(learning(network).values())
    if settings.optimiser == "adamw":
        return adamw(parameters, settings.learning_rate, settings.weight_decay)
    return Adan(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def config_of(network: SMGA) -> dict[str, Any]:
    """What tensors do not show, for a checkpoint's metadata."""
    return {"num_heads": network.config.num_heads, "target_offset": network.config.target_offset}


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
    """Poses and speech features of the first clips that are held out, of each no more than its first half minute."""
    entries, beginning = clips.of_split("test") or clips.entries, slice(0, HELD_OUT_FRAMES)
    return [(clips.poses(entry, beginning), clips.features(entry, beginning)) for entry in entries[:num_clips]]


def pose_rmse_px(poses: PoseSequence, truth: PoseSequence) -> float:
    """Root mean square distance of keypoints in px of a 512 px picture."""
    scale = FRAME_PX / min(truth.height_px, truth.width_px)
    return float((poses.pixels - truth.pixels).square().sum(-1).mean().sqrt()) * scale
