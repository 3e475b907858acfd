"""Learning the generator: masked tokens and residual layers from speech (paper section 3.3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contextual_gesture.alignment import Alignment
from ..contextual_gesture.config import PARTS, ContextualGestureConfig, GeneratorConfig, Part
from ..contextual_gesture.generator import Generator, PartGenerator, other_part
from ..contextual_gesture.model import ContextualGesture
from ..contextual_gesture.pace import pace_of
from ..contextual_gesture.tokens import Tokenizer
from ..errors import InputError
from .clips import ClipSet, write_network
from .gesture_loss import gesture_errors, motion_errors
from .gesture_windows import GestureWindows, Windows
from .loop import Learner, Progress
from .motion_tokens import tensors_digest
from .optimisers import ExponentialAverage, adamw, rate_share, set_rate
from .run import Run, learning, step_generator
from .team import Team

FILE = "contextual_gesture.safetensors"
LEAST_MASKED = 0.5  # of a window's tokens; the most is all of them
LONGEST_OVERLAP = 40  # of frames that windows of which all else is hidden share with the one before them
TO_MASK, TO_ANOTHER = 0.8, 0.1  # of those: becomes [MASK], becomes a random token; the rest stays as it is (BERT)
EMBEDDING_DEVIATION, STYLE_DEVIATION = 0.5, 0.2  # of untrained tables
TOLD = 0.5  # the share of windows whose pace is the told one, not the true one
PACE_WINDOWS = 64  # a step, besides the batch: convolutions are quick, and learn from many
PAPER_LAYERS, SMALL_LAYERS = (8, 6), (4, 2)  # of the masked and of the residual transformer


@dataclass(frozen=True)
class GesturesTraining:
    """Settings of a run; width, feed-forward, heads and speech layers are those of the alignment.

    motion_weight: of the decoded motion's error, its velocity's and its acceleration's, 50 as the paper. average_decay:
    of the moving average, which is what is written. Not the paper's, so 0: gesture_weight, of velocity and acceleration
    of head, shoulders, elbows and wrists once more; all_hidden, the share of windows of which ``beginnings`` are shown
    and nothing else, as when sampling begins, so that motion must follow from speech and not from its neighbours;
    pace_blocks, of ``GeneratorConfig``; pace_steps, in which the pace learns (None: all), as it is learned by heart
    long before the transformers are.
    """

    seed: int = 0
    num_steps: int = 20_000
    batch: int = 64
    learning_rate: float = 2e-4
    warm_up: int = 0
    cool_down: int = 0
    average_decay: float = 0.999
    motion_weight: float = 50.0
    num_layers: int = 8
    num_residual_layers: int = 6
    gesture_weight: float = 0.0
    all_hidden: float = 0.0
    pace_blocks: int | None = None
    pace_steps: int | None = None

    def __post_init__(self) -> None:
        if min(self.num_steps, self.batch, self.num_layers, self.num_residual_layers) < 1:
            raise InputError(
                f"steps, batch and layers must be 1 or more, but are {self.num_steps}, {self.batch}, {self.num_layers} "
                f"and {self.num_residual_layers}."
            )
        weights = self.motion_weight, self.gesture_weight
        if self.learning_rate <= 0 or not 0 < self.average_decay < 1 or min(weights) < 0:
            raise InputError(
                f"learning rate {self.learning_rate}, average's decay {self.average_decay} and weights of motion and "
                f"gestures {weights} must be positive, between 0 and 1, and 0 or more."
            )
        if self.pace_steps is not None and (self.pace_blocks is None or not 1 <= self.pace_steps <= self.num_steps):
            raise InputError(
                f"a pace of {self.pace_blocks} blocks cannot learn in {self.pace_steps} of {self.num_steps} steps; "
                "give its blocks (--pace-blocks), and 1 step or more, at most all."
            )
        if not 0 <= self.all_hidden <= 1:
            raise InputError(f"the share of windows of which all is hidden is {self.all_hidden}; it must be 0 to 1.")


def beginnings(num_windows: int, all_hidden: float, generator: torch.Generator) -> Tensor | None:
    """[B] int64: how many first frames a window shows, as when its sampling begins, 0 where it hides a share of them.

    The share ``all_hidden`` of windows; a half shows its first frame, as a track's first window, the others up to
    ``LONGEST_OVERLAP``, as those behind it. None for a share of 0.
    """
    if not all_hidden:
        return None
    chance = torch.rand(num_windows, generator=generator)
    overlap = torch.randint(1, LONGEST_OVERLAP + 1, (num_windows,), generator=generator)
    return torch.where(chance < all_hidden / 2, 1, torch.where(chance < all_hidden, overlap, 0))


def masked_for_learning(
    tokens: Tensor, num_codes: int, generator: torch.Generator, begin: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Tokens [B, T] -> what is shown [B, T] (``num_codes`` is the mask) and which are to be told [B, T] bool.

    Each window hides a share drawn from 0.5 .. 1, its first frame never; where ``begin`` [B] is not 0, all but as many
    first frames.
    """
    batch, num_frames = tokens.shape
    share = LEAST_MASKED + (1 - LEAST_MASKED) * torch.rand(batch, 1, generator=generator)
    order = torch.rand(batch, num_frames - 1, generator=generator).argsort(dim=1).argsort(dim=1)
    hidden = F.pad(order < (share * (num_frames - 1)).ceil(), (1, 0))  # [B, T]
    chance = torch.rand(batch, num_frames, generator=generator)
    another = torch.randint(num_codes, tokens.shape, generator=generator)
    shown = torch.where(hidden & (chance < TO_MASK), num_codes, tokens)
    is_another = hidden & (chance >= TO_MASK) & (chance < TO_MASK + TO_ANOTHER)
    shown = torch.where(is_another, another, shown)
    if begin is not None:
        later = torch.arange(num_frames) >= begin[:, None]  # [B, T]
        begins = begin[:, None] > 0
        shown = torch.where(begins, torch.where(later, num_codes, tokens), shown)
        hidden = torch.where(begins, later, hidden)
    return shown, hidden


def soft_decoded(tokenizer: Tokenizer, logits: Tensor, tokens: Tensor, hidden: Tensor) -> Tensor:
    """Normalised motion [B, T, C] of expected codes where layer 0 is to be told, of true ones elsewhere and above."""
    expected = logits.softmax(dim=-1) @ tokenizer.codebooks[0]
    true = tokenizer.lookup(tokens[..., :1])
    lowest = torch.where(hidden[..., None], expected, true)
    return tokenizer.decoder(lowest + tokenizer.lookup(tokens) - true)


class TokenWindows:
    """Windows as tokens; each clip is encoded once, as a whole."""

    def __init__(self, windows: GestureWindows, tokenizers: nn.ModuleDict) -> None:
        self.windows, self.tokenizers = windows, tokenizers
        self._tokens: dict[tuple[int, Part], Tensor] = {}

    @torch.no_grad()
    def tokens(self, batch: Windows, part: Part) -> Tensor:
        """[B, T, L] int64, on the tokenizers' device."""
        rows = []
        tokenizer = cast(Tokenizer, self.tokenizers[part])
        for idx, start in zip(batch.clips, batch.starts, strict=True):
            if (idx, part) not in self._tokens:
                motion = self.windows.motion(idx)[part][None].to(tokenizer.mean.device)
                self._tokens[idx, part] = tokenizer.encode(motion)[0].to(torch.int16)
            rows.append(self._tokens[idx, part][start : start + self.windows.num_frames].long())
        return torch.stack(rows)


def gestures_loss(
    network: Generator,
    tokens_of: TokenWindows,
    batch: Windows,
    speakers: tuple[str, ...],
    settings: GesturesTraining,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross-entropy of layer 0, error of the decoded motion and of its gestures (both weighted), cross-entropy of one
    drawn residual layer.

    Each is the mean of face and body. Transformers that hear a pace hear the true one in half of the windows, so that
    they learn to keep it, and the told one in the others, so that they learn how far to go by what is told.
    """
    device = network.styles.device
    style = network.styles[tokens_of.windows.speaker_indices(batch.clips, speakers).to(device)]
    features = batch.features.to(device)
    tokens = {part: tokens_of.tokens(batch, part) for part in PARTS}
    num_codes, num_layers = network.part("face").masked.mask_token, tokens["face"].shape[-1]
    layer = int(torch.randint(1, num_layers, (), generator=generator))
    begin = beginnings(len(features), settings.all_hidden, generator)
    masks = {part: masked_for_learning(tokens[part][..., 0].cpu(), num_codes, generator, begin) for part in PARTS}
    shown = {part: masks[part][0].to(device) for part in PARTS}
    is_told = torch.rand(len(features), 1, 1, generator=generator).to(device) < TOLD
    terms = []
    for part in PARTS:
        generator_of = network.part(part)
        tokenizer = cast(Tokenizer, tokens_of.tokenizers[part])
        moved = batch.motion[part].to(device)
        frames = generator_of.hear(features, _heard_pace(generator_of, features, moved, part, is_told))
        memory = generator_of.masked.decoder.memory(frames, style)
        logits = generator_of.masked(shown[part], shown[other_part(part)], memory)
        hidden = masks[part][1].to(device)
        made = soft_decoded(tokenizer, logits, tokens[part], hidden)
        truth = tokenizer.normalised(moved)
        above = generator_of.residual(tokens[part][..., :layer], generator_of.residual.decoder.memory(frames, style))
        terms.append(
            torch.stack(
                [
                    F.cross_entropy(logits[hidden], tokens[part][..., 0][hidden]),
                    settings.motion_weight * motion_errors(made, truth),
                    settings.gesture_weight * gesture_errors(made, truth, part),
                    F.cross_entropy(above.flatten(0, 1), tokens[part][..., layer].flatten()),
                ]
            )
        )
    lowest, motion, gestures, residual = torch.stack(terms).mean(dim=0)
    return lowest, motion, gestures, residual


@torch.no_grad()
def _heard_pace(
    generator: PartGenerator, features: Tensor, motion: Tensor, part: Part, is_told: Tensor
) -> Tensor | None:
    if generator.pace is None:
        return None
    return torch.where(is_told, generator.told_pace(features), pace_of(motion, part))


def pace_rate_share(settings: GesturesTraining, step: int) -> float:
    """Of the learning rate, for the pace: it falls in the same share of its steps, and is 0 behind them."""
    num_steps = settings.pace_steps or settings.num_steps
    cool_down = settings.cool_down * num_steps // settings.num_steps
    return max(0.0, rate_share(step, num_steps, settings.warm_up, cool_down))


def pace_error(network: Generator, batch: Windows) -> Tensor:
    """Mean square of what is told amiss of the pace, of both parts."""
    device, errors = network.styles.device, []
    for part in PARTS:
        told = network.part(part).told_pace(batch.features.to(device))
        errors.append(F.mse_loss(told, pace_of(batch.motion[part].to(device), part)))
    return torch.stack(errors).mean()


def new_generator(config: GeneratorConfig, alignment: Alignment, tokens_config: object, seed: int) -> Generator:
    """An untrained generator whose speech towers are the aligned ones; the rest depends on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Generator(config, tokens_config)  # type: ignore[arg-type]
        nn.init.normal_(network.styles, std=STYLE_DEVIATION)
        for part in PARTS:
            generator = network.part(part)
            for table in (generator.masked.own, generator.masked.other, generator.residual.tables):
                nn.init.normal_(table, std=EMBEDDING_DEVIATION)
    for part in PARTS:
        network.part(part).speech.load_state_dict(alignment.pair(part).speech.state_dict())
        if (pace := network.part(part).pace) is not None:  # begins as the tower alone
            for parameter in pace.embedding.output.parameters():
                nn.init.zeros_(parameter)
    return network


def train_gestures(
    clips: ClipSet,
    out: Path,
    settings: GesturesTraining,
    alignment: Alignment,
    tokenizers: nn.ModuleDict,
    *,
    start: ContextualGesture | None = None,
    save_every: int = 500,
    progress: Progress | None = None,
    device: torch.device | None = None,
    board: bool = False,
) -> ContextualGesture:
    """Learn until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``contextual_gesture.safetensors`` in it holds all networks, the generator as its average.
    start: whose generator a new run goes on from. Raises InputError for an alignment that reads other speech features
    than the set has, and for a start of other sizes or speakers, or whose tokens mean something else.
    """
    audio_channels = clips.entries[0].num_features
    sizes = alignment.config
    if sizes.audio_channels != audio_channels:
        raise InputError(
            f"the alignment reads {sizes.audio_channels} speech features, but {clips.folder} has {audio_channels}; "
            "align with this set, or take the one that it was aligned with."
        )
    team = Team(device=device or torch.device("cpu"))
    alignment.to(team.device)
    tokenizers.to(team.device)
    config = GeneratorConfig(
        audio_channels=audio_channels,
        width=sizes.width,
        feed_forward_width=sizes.feed_forward_width,
        num_layers=settings.num_layers,
        num_residual_layers=settings.num_residual_layers,
        num_speech_layers=sizes.num_layers,
        num_heads=sizes.num_heads,
        pace_blocks=settings.pace_blocks,
    )
    windows, run = GestureWindows(clips, "train", config.num_frames), Run(out)
    config = GeneratorConfig(**{**asdict(config), "speakers": windows.speakers})
    tokens_config = cast(Tokenizer, tokenizers["face"]).config
    network = new_generator(config, alignment, tokens_config, settings.seed).to(team.device)
    whole = ContextualGesture(ContextualGestureConfig(sizes, tokens_config, config))
    parts = {"alignment": tensors_digest(alignment), "tokens": tensors_digest(tokenizers)}
    if start is not None:
        _go_on_from(start, network, tokenizers)
        parts["from_gestures"] = tensors_digest(start.generator)
    run.begin({"task": "gestures", "data": clips.digest(), **parts, **asdict(settings)})
    tokens_of = TokenWindows(windows, tokenizers)
    held_out = _held_out(clips, config.num_frames, windows.speakers)
    held_out_tokens = None if held_out is None else TokenWindows(held_out, tokenizers)
    weights = learning(network)
    tells_pace = [weights.pop(name) for name in list(weights) if ".pace.from_speech." in name]
    optimiser = adamw(weights.values(), settings.learning_rate, 0.01)
    if tells_pace:
        optimiser.add_param_group({"params": tells_pace})
    average = ExponentialAverage(network, settings.average_decay)

    def backward(step: int) -> float:
        generator = step_generator(settings.seed, step)
        batch = windows.drawn(settings.batch, generator)
        terms = gestures_loss(network, tokens_of, batch, config.speakers, settings, generator)
        loss = torch.stack(terms).sum()
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up, settings.cool_down)
        if tells_pace:
            share = pace_rate_share(settings, step)
            optimiser.param_groups[1]["lr"] = settings.learning_rate * share
            if share:
                loss = loss + pace_error(network, windows.drawn(PACE_WINDOWS, generator))
        loss.backward()
        return loss.item()

    def take_average() -> None:
        whole.alignment.load_state_dict(alignment.state_dict())
        whole.tokenizers.load_state_dict(tokenizers.state_dict())
        whole.generator.load_state_dict({**network.state_dict(), **average.average})

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        if held_out is not None and held_out_tokens is not None:
            generator = torch.Generator("cpu").manual_seed(0)
            batch = held_out.drawn(32, generator)
            with torch.no_grad(), average.standing_in(network):
                terms = gestures_loss(network, held_out_tokens, batch, config.speakers, settings, generator)
                errors = dict(zip(("layer_0", "motion", "gestures", "residual"), terms, strict=True))
                if tells_pace:
                    errors["pace"] = pace_error(network, held_out.drawn(256, generator))
            for name, term in errors.items():
                rows[-1][f"held_out_{name}"] = round(term.item(), 4)
        take_average()
        write_network(out / FILE, whole, step, clips.digest(), whole.config)
        return {}

    Learner(
        run,
        network,
        optimiser,
        checkpoint,
        average,
        team=team,
        max_norm=1.0,
        save_every=save_every,
        board=board,
    ).learn(settings.num_steps, backward, progress)
    take_average()
    return whole.eval().requires_grad_(False)


def _go_on_from(start: ContextualGesture, network: Generator, tokenizers: nn.ModuleDict) -> None:
    """Give a generator the weights of a trained one, which may have no pace. Raises InputError where they do not
    fit each other."""
    theirs = start.config.generator
    if theirs not in (network.config, replace(network.config, pace_blocks=None)):
        raise InputError(
            f"the network to go on from is {theirs}, the run's is {network.config}; give a network of the same sizes "
            "and speakers, or begin without one."
        )
    for part in PARTS:
        books, ours = (cast(Tokenizer, each[part]).codebooks.cpu() for each in (start.tokenizers, tokenizers))
        if books.shape != ours.shape or not torch.equal(books, ours):
            raise InputError(
                "the network to go on from learned other tokens than those given; give its own, or tokens that went on "
                "from them (`mmgt train tokens --from-tokens`)."
            )
    network.load_state_dict({**network.state_dict(), **start.generator.state_dict()})


def _held_out(clips: ClipSet, num_frames: int, speakers: tuple[str, ...]) -> GestureWindows | None:
    """Held-out clips of known speakers; None where there are none."""
    known = {entry.speaker for entry in clips.of_split("test") if entry.num_frames >= num_frames} & set(speakers)
    if not known:
        return None
    windows = GestureWindows(clips, "test", num_frames)
    windows.entries = [entry for entry in windows.entries if entry.speaker in known]
    return windows
