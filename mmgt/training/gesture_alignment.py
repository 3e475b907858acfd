"""Learning the alignment of speech and gestures, and how well it finds them again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..contextual_gesture.alignment import Alignment, info_nce, ranks
from ..contextual_gesture.config import PARTS, AlignmentConfig
from ..errors import InputError
from .clips import ClipSet, write_network
from .gesture_windows import GestureWindows
from .loop import Learner, Progress
from .optimisers import adamw, set_rate
from .run import Run, learning, step_generator
from .team import Team

FILE = "alignment.safetensors"
NUM_FRAMES = 80  # of a window: as the generator's. The paper's retrieval has 120.
RECALLS = (1, 2, 3, 5, 10)
RETRIEVAL_BATCH = 32
SMALL = AlignmentConfig(audio_channels=35, width=128, feed_forward_width=256, num_layers=2, num_heads=4)


@dataclass(frozen=True)
class AlignmentTraining:
    """Settings of a run. temperature: of InfoNCE, 0.7 as the paper prints it. chronological: whether speech in another
    order is told apart too. sizes: audio_channels in them is the set's."""

    seed: int = 0
    num_steps: int = 20_000
    batch: int = 128
    learning_rate: float = 1e-4
    warm_up: int = 0
    cool_down: int = 0
    temperature: float = 0.7
    chronological: bool = True
    sizes: AlignmentConfig = field(default_factory=AlignmentConfig)

    def __post_init__(self) -> None:
        if self.num_steps < 1 or self.batch < 2 or self.temperature <= 0 or self.learning_rate <= 0:
            raise InputError(
                f"steps {self.num_steps}, batch {self.batch}, temperature {self.temperature}, learning rate "
                f"{self.learning_rate} cannot train an alignment; steps must be 1 or more, a batch 2 or more (a "
                "gesture is told from others), the others positive."
            )


@dataclass(frozen=True)
class Retrieval:
    """How often the own speech is among the first k for a gesture, of ``batch`` candidates: share of 0..1 by k."""

    batch: int
    recall: dict[int, float]


def alignment_loss(
    network: Alignment, windows: GestureWindows, settings: AlignmentTraining, generator: torch.Generator
) -> Tensor:
    """InfoNCE of one drawn batch, the mean of face and body."""
    batch = windows.drawn(settings.batch, generator)
    device = next(network.parameters()).device
    gestures = network.embed_motion({part: batch.motion[part].to(device) for part in PARTS})
    speech = network.embed_speech(batch.features.to(device))
    negatives = None
    if settings.chronological:
        negatives = network.embed_speech(windows.another_order(batch, generator).to(device))
    losses = [
        info_nce(gestures[part], speech[part], None if negatives is None else negatives[part], settings.temperature)
        for part in PARTS
    ]
    return torch.stack(losses).mean()


@torch.no_grad()
def retrieval(network: Alignment, windows: GestureWindows, num_batches: int = 20, seed: int = 0) -> Retrieval:
    """R@k of held-out windows: each gesture's own speech among those of a batch of different clips, by the sum of both
    parts' cosines. Drawn batches of 32, or of all clips where there are fewer."""
    generator = torch.Generator("cpu").manual_seed(seed)
    size = min(RETRIEVAL_BATCH, len(windows.entries))
    found = []
    device = next(network.parameters()).device
    for _ in range(num_batches):
        batch = windows.drawn(size, generator)
        gestures = network.embed_motion({part: batch.motion[part].to(device) for part in PARTS})
        speech = network.embed_speech(batch.features.to(device))
        cosines = torch.stack([gestures[part] @ speech[part].T for part in PARTS]).sum(dim=0)
        found.append(ranks(cosines))
    rank = torch.cat(found)
    return Retrieval(size, {k: float((rank < k).double().mean()) for k in RECALLS})


def new_alignment(settings: AlignmentTraining, windows: GestureWindows) -> Alignment:
    """Untrained towers that know the set's scales; weights depend on the seed only."""
    sizes = AlignmentConfig(**{**asdict(settings.sizes), "audio_channels": windows.entries[0].num_features})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = Alignment(sizes)
    motion, (speech_mean, speech_deviation) = windows.motion_scale(), windows.speech_scale()
    for part in PARTS:
        pair = network.pair(part)
        pair.gesture.mean.copy_(motion[part][0])
        pair.gesture.deviation.copy_(motion[part][1])
        pair.speech.mean.copy_(speech_mean)
        pair.speech.deviation.copy_(speech_deviation)
    return network


def train_alignment(
    clips: ClipSet,
    out: Path,
    settings: AlignmentTraining,
    *,
    save_every: int = 500,
    progress: Progress | None = None,
    device: torch.device | None = None,
    board: bool = False,
) -> Alignment:
    """Learn until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``alignment.safetensors`` in it is what the other two trainings take.
    """
    windows, run = GestureWindows(clips, "train", NUM_FRAMES), Run(out)
    held_out = GestureWindows(clips, "test", NUM_FRAMES) if clips.of_split("test") else windows
    network = new_alignment(settings, windows)
    run.begin({"task": "alignment", "data": clips.digest(), **asdict(settings)})
    team = Team(device=device or torch.device("cpu"))
    network.to(team.device)
    optimiser = adamw(list(learning(network).values()), settings.learning_rate, 0.01)

    def backward(step: int) -> float:
        loss = alignment_loss(network, windows, settings, step_generator(settings.seed, step))
        loss.backward()
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up, settings.cool_down)
        return loss.item()

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        with torch.no_grad():
            loss = alignment_loss(network, held_out, settings, step_generator(settings.seed, 0))
        rows[-1]["held_out_loss"] = round(loss.item(), 5)
        write_network(out / FILE, network, step, clips.digest(), network.config)
        return {}

    Learner(run, network, optimiser, checkpoint, team=team, max_norm=1.0, save_every=save_every, board=board).learn(
        settings.num_steps, backward, progress
    )
    return network.eval().requires_grad_(False)
