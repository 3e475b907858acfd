"""Learning the tokenizers: reconstruction, commitment, and what the aligned gesture towers know (paper section 3.2)."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contextual_gesture.alignment import Alignment
from ..contextual_gesture.config import PARTS, TokensConfig
from ..contextual_gesture.tokens import Tokenizer
from ..errors import InputError
from .clips import ClipSet, write_network
from .gesture_loss import gesture_errors
from .gesture_windows import GestureWindows
from .loop import Learner, Progress
from .optimisers import adamw, set_rate
from .run import Run, learning, step_generator
from .team import Team

if TYPE_CHECKING:
    from vector_quantize_pytorch import ResidualVQ

FILE = "tokens.safetensors"
NUM_FRAMES = 80
SMALL = TokensConfig(num_codes=512)
DECAY = 0.99  # of the code books' moving averages
DEAD_BELOW = 0.5  # frames of a batch that a code stands for, in its moving average: it is put on a frame of the batch


@dataclass(frozen=True)
class TokensTraining:
    """Settings of a run. commitment, distillation: weights beside the reconstruction's 1 (not stated in the paper);
    the latter counts where an alignment is given. gesture_weight: of ``gesture_errors``, which the paper has not: a
    quantised place trembles, and the trembling is in squares of velocity more than a stroke."""

    seed: int = 0
    num_steps: int = 20_000
    batch: int = 128
    learning_rate: float = 2e-4
    warm_up: int = 0
    cool_down: int = 0
    commitment: float = 0.02
    distillation: float = 0.1
    sizes: TokensConfig = field(default_factory=TokensConfig)
    gesture_weight: float = 0.0

    def __post_init__(self) -> None:
        if (
            min(self.num_steps, self.batch) < 1
            or self.learning_rate <= 0
            or min(self.commitment, self.distillation, self.gesture_weight) < 0
        ):
            raise InputError(
                f"steps {self.num_steps}, batch {self.batch}, learning rate {self.learning_rate}, weights "
                f"{self.commitment}, {self.distillation} and {self.gesture_weight} cannot train tokenizers; steps and "
                "batch must be 1 or more, the rate positive, weights 0 or more."
            )


def residual_vq(sizes: TokensConfig) -> ResidualVQ:
    """The library's code books as they learn. Raises InputError where it is not installed."""
    try:
        from vector_quantize_pytorch import ResidualVQ
    except ImportError as error:
        raise InputError(
            "code books are learned by vector-quantize-pytorch, which is not installed; run "
            "`pip install 'mmgt[train]'`."
        ) from error
    return ResidualVQ(
        dim=sizes.latent_width,
        num_quantizers=sizes.num_layers,
        codebook_size=sizes.num_codes,
        kmeans_init=True,
        decay=DECAY,
        threshold_ema_dead_code=DEAD_BELOW,
        rotation_trick=False,
    )


class LearningTokenizer(nn.Module):
    """A tokenizer, its code books while they learn, and the projection that is distilled into."""

    def __init__(self, tokenizer: Tokenizer, tower_width: int | None) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        tokenizer.codebooks.requires_grad_(False)
        self.quantiser = residual_vq(tokenizer.config)
        width = tokenizer.config.latent_width
        self.projection = None if tower_width is None else nn.Linear(width, tower_width)

    def parts(self, motion: Tensor, frames: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Motion [B, T, C] and the gesture tower's frames [B, T, D] -> what is decoded [B, T, C], normalised;
        commitment, distillation."""
        latents = self.tokenizer.latents(motion)
        quantised, tokens, commitment = self.quantiser(latents)
        made = self.tokenizer.decoder(quantised)
        if frames is None or self.projection is None:
            return made, commitment.mean(), made.new_zeros(())
        first = self.quantiser.layers[0].codebook[tokens[..., 0]].detach()
        first = latents + (first - latents).detach()  # straight through
        return made, commitment.mean(), distillation(self.projection(first), frames)

    def export(self) -> Tokenizer:
        """The tokenizer with the code books as they are now."""
        with torch.no_grad():
            self.tokenizer.codebooks.copy_(self.quantiser.codebooks)
        return self.tokenizer


class LearningDecoder(nn.Module):
    """A trained tokenizer whose tokens stay what they are while its decoder goes on learning: in half of the steps from
    all layers, else from the lowest of them, as many as are drawn."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer.requires_grad_(False)
        tokenizer.decoder.requires_grad_(True)

    def decoded(self, motion: Tensor, generator: torch.Generator) -> Tensor:
        """Motion [B, T, C] -> what is decoded of its tokens [B, T, C], normalised. generator: draws how many layers."""
        num_layers = self.tokenizer.config.num_layers
        if torch.rand((), generator=generator) >= 0.5:
            num_layers = int(torch.randint(1, num_layers + 1, (), generator=generator))
        with torch.no_grad():
            latents = self.tokenizer.lookup(self.tokenizer.encode(motion)[..., :num_layers])
        return self.tokenizer.decoder(latents)

    def export(self) -> Tokenizer:
        return self.tokenizer


def distillation(made: Tensor, frames: Tensor) -> Tensor:
    """1 - the cosine over time of each of D channels, of [B, T, D] twice; the mean, 0..2."""
    return 1 - F.cosine_similarity(made, frames, dim=1).mean()


def train_tokens(
    clips: ClipSet,
    out: Path,
    settings: TokensTraining,
    *,
    alignment: Alignment | None = None,
    start: nn.ModuleDict | None = None,
    save_every: int = 500,
    progress: Progress | None = None,
    device: torch.device | None = None,
    board: bool = False,
) -> nn.ModuleDict:
    """Learn both parts until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``tokens.safetensors`` in it is what `mmgt train gestures` takes. alignment: whose gesture
    towers are distilled into the first layer's codes; None for none, the paper's plain residual VQ. start: trained
    tokenizers whose decoders go on learning, so that generators of their tokens need not learn anew. Raises InputError
    for a start of other sizes than the run's, or beside an alignment.
    """
    windows, run = GestureWindows(clips, "train", NUM_FRAMES), Run(out)
    held_out = GestureWindows(clips, "test", NUM_FRAMES) if clips.of_split("test") else windows
    team = Team(device=device or torch.device("cpu"))
    if start is None:
        learners = _new_learners(settings, windows, None if alignment is None else alignment.config.width)
    else:
        learners = _going_on_from(start, settings, alignment)
    learners.to(team.device)
    if alignment is not None:
        alignment.to(team.device).eval().requires_grad_(False)
    given = {"alignment": alignment, "from_tokens": start}
    digests = {name: tensors_digest(network) for name, network in given.items() if network is not None}
    run.begin({"task": "tokens", "data": clips.digest(), **digests, **asdict(settings)})
    optimiser = adamw(list(learning(learners).values()), settings.learning_rate, 0.0)

    def backward(step: int) -> float:
        generator = step_generator(settings.seed, step)
        batch = windows.drawn(settings.batch, generator)
        seed = int(torch.randint(2**62, (), generator=generator))
        torch.manual_seed(seed)  # the library draws: k-means, dead codes
        drawn = torch.Generator("cpu").manual_seed(seed)
        total = torch.zeros((), device=team.device)
        for part in PARTS:
            motion = batch.motion[part].to(team.device)
            learner = cast(LearningTokenizer | LearningDecoder, learners[part])
            if isinstance(learner, LearningDecoder):
                made = learner.decoded(motion, drawn)
            else:
                frames = None if alignment is None else alignment.pair(part).gesture(motion)
                made, commitment, distilled = learner.parts(motion, frames)
                total = total + settings.commitment * commitment + settings.distillation * distilled
            truth = learner.tokenizer.normalised(motion)
            total = total + F.smooth_l1_loss(made, truth) + settings.gesture_weight * gesture_errors(made, truth, part)
        total.backward()
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up, settings.cool_down)
        return total.item()

    def exported() -> nn.ModuleDict:
        return nn.ModuleDict(
            {part: cast(LearningTokenizer | LearningDecoder, learners[part]).export() for part in PARTS}
        )

    def checkpoint(step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        tokenizers = exported()
        for part in PARTS:
            rows[-1][f"held_out_{part}"] = round(normalised_error(cast(Tokenizer, tokenizers[part]), held_out, part), 5)
        write_network(out / FILE, tokenizers, step, clips.digest(), settings.sizes)
        return {}

    Learner(
        run,
        learners,
        optimiser,
        checkpoint,
        team=team,
        max_norm=1.0,
        save_every=save_every,
        board=board,
        buffers={name: buffer for name, buffer in learners.named_buffers() if ".quantiser." in name},
    ).learn(settings.num_steps, backward, progress)
    return exported().eval().requires_grad_(False)


def _new_learners(settings: TokensTraining, windows: GestureWindows, tower_width: int | None) -> nn.ModuleDict:
    """Untrained ones that know the set's scale; weights depend on the seed only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        learners = nn.ModuleDict(
            {part: LearningTokenizer(Tokenizer(part, settings.sizes), tower_width) for part in PARTS}
        )
    for part, (mean, deviation) in windows.motion_scale().items():
        tokenizer = cast(LearningTokenizer, learners[part]).tokenizer
        tokenizer.mean.copy_(mean)
        tokenizer.deviation.copy_(deviation)
    return learners


def _going_on_from(start: nn.ModuleDict, settings: TokensTraining, alignment: Alignment | None) -> nn.ModuleDict:
    if alignment is not None:
        raise InputError(
            "tokens that are gone on from stay as they are, so that nothing can be distilled into them; leave the "
            "alignment out."
        )
    sizes = cast(Tokenizer, start["face"]).config
    if sizes != settings.sizes:
        raise InputError(f"the tokens to go on from have {sizes}, the run {settings.sizes}; give the same sizes.")
    return nn.ModuleDict({part: LearningDecoder(copy.deepcopy(cast(Tokenizer, start[part]))) for part in PARTS})


@torch.no_grad()
def normalised_error(tokenizer: Tokenizer, windows: GestureWindows, part: Any) -> float:
    """Mean absolute error of what tokens keep of 32 windows, in deviations of each number."""
    motion = windows.drawn(32, torch.Generator("cpu").manual_seed(0)).motion[part]
    motion = motion.to(tokenizer.mean.device)
    made = tokenizer.decode(tokenizer.encode(motion))
    return float((tokenizer.normalised(made) - tokenizer.normalised(motion)).abs().mean())


def tensors_digest(network: nn.Module) -> str:
    """sha256 of a network's tensors: which one a run began with."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
