"""Speech features and an initial pose -> a pose sequence of any length (paper sections 3.3 and 4.4).

A window starts with every token masked but those that are given: the initial pose's in frame 0, what the window before
it made where both overlap (out-painting), and what is kept of a given track. In each of a few passes all masked tokens
are drawn, the least certain are masked again, and the others never change (``masked_after``). Then the residual
transformer adds one layer a pass. The convolutional decoder runs over the whole track, so windows leave no seam in it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from ..motion_edit.keep import KeptTrack
from ..poses import PoseSequence
from ..poses.lips import close_lips_in_silence
from ..seeds import check_seed
from ..speech.features import NUM_HANDCRAFTED
from ..windows import window_starts
from .config import PARTS, Part
from .generator import Memory, other_part
from .model import ContextualGesture
from .motion import POINTS, Motion, MotionFrame

logger = logging.getLogger("mmgt")

MAX_STEPS, MAX_OVERLAP, MAX_PACE_STRENGTH = 50, 60, 10
STILL_FRAMES = 16  # of a pose held, whose first token is that of the initial pose: the encoder sees 11 around a frame
FADE_FRAMES = 25  # after frame 0, in which what its token misses of the initial pose fades out
UNKNOWN = -1

Tokens = dict[Part, Tensor]  # of each part [T, L] int64


@dataclass(frozen=True)
class GestureSettings:
    """How tokens are drawn.

    num_steps: passes of the masked transformer, 5 as the paper (10 and more were worse there). temperature: of the
    draws; 0 takes the likeliest token. overlap: frames that neighbouring windows share, 1 .. 60 of 80. pace_strength:
    how strongly gestures are fast and rest where the speech tells so, for a network that learned a pace: 1 as much as
    it is sure of, 0 not at all.
    """

    num_steps: int = 5
    temperature: float = 1.0
    overlap: int = 20
    pace_strength: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= MAX_STEPS or not 1 <= self.overlap <= MAX_OVERLAP:
            raise InputError(
                f"Contextual Gesture cannot be sampled in {self.num_steps} steps with an overlap of {self.overlap} "
                f"frames; steps must be 1..{MAX_STEPS} (the paper takes 5), the overlap 1..{MAX_OVERLAP}."
            )
        if not 0 <= self.temperature <= 10:
            raise InputError(
                f"Contextual Gesture's temperature is {self.temperature}; it must be between 0 (the likeliest token) "
                "and 10, where 1 draws as it learned."
            )
        if not 0 <= self.pace_strength <= MAX_PACE_STRENGTH:
            raise InputError(
                f"Contextual Gesture's pace strength is {self.pace_strength}; it must be between 0 (speech does not "
                f"set the pace) and {MAX_PACE_STRENGTH}, where 1 is as much as the network is sure of."
            )


def masked_after(step: int, num_steps: int, num_masked: int) -> int:
    """How many of ``num_masked`` tokens are masked again after pass ``step`` (1 .. num_steps): the cosine schedule."""
    return round(num_masked * math.cos(math.pi / 2 * step / num_steps)) if step < num_steps else 0


def check_features(model: ContextualGesture, features: Tensor) -> None:
    """Raise InputError unless features are [T, audio_channels] of this model, T 1 or more."""
    wanted = model.config.generator.audio_channels
    if features.ndim == 2 and features.shape[1] == wanted and len(features):
        return
    advice = (
        "it was trained without WavLM: choose no WavLM file in Load Audio Encoder"
        if wanted == NUM_HANDCRAFTED
        else f"it was trained with an encoder of {wanted - NUM_HANDCRAFTED} numbers; load it in Load Audio Encoder"
    )
    raise InputError(
        f"this Contextual Gesture network reads [T, {wanted}] speech features, but {list(features.shape)} were given; "
        f"{advice}."
    )


@torch.inference_mode()
def sample_gestures(
    model: ContextualGesture,
    features: Tensor,
    initial_pose: PoseSequence,
    *,
    seed: int,
    speaking: Tensor | None = None,
    settings: GestureSettings = GestureSettings(),
    style: Tensor | None = None,
    kept: KeptTrack | None = None,
    with_residual: bool = True,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> PoseSequence:
    """Sample poses for the whole recording.

    features: [T, audio_channels] at 25 fps; transformers compute in their dtype. initial_pose: one frame, which is
    frame 0 of the result; its score decides what is visible. speaking: [T] of ``SpeechFeatures``; lips close where it
    is 0 (None: as they are sampled). style: [S], a speaker's (``ContextualGesture.style``, ``retrieval.style_of``);
    None is the mean of all. kept: what stays of a given track (``motion_edit.keep.kept_track``). with_residual: False
    leaves layer 0 alone, the paper's ablation. progress(step, total) counts passes of all windows. device: where to
    compute (default: where the model is). Returns T frames at 25 fps on the initial pose's picture. Same inputs and
    seed, same poses.
    """
    check_features(model, features)
    check_seed(seed)
    device = device or model.generator.styles.device
    frame = MotionFrame(initial_pose)
    start_s = time.perf_counter()
    given = given_tokens(model, frame, len(features), kept, device)
    style = model.style() if style is None else style
    generator = torch.Generator("cpu").manual_seed(seed)
    tokens = sample_tokens(
        model, features, given, style.to(device), settings, generator, with_residual, progress, device
    )
    motion = _begun_at_rest(decoded(model, tokens), kept)
    seconds = time.perf_counter() - start_s
    logger.info("Contextual Gesture on %s: %d frames in %.2f s", device, len(features), seconds)
    poses = frame.poses(motion)
    if speaking is not None:
        poses = close_lips_in_silence(poses, speaking)
    return poses if kept is None else kept.laid_over(poses)


def given_tokens(
    model: ContextualGesture, frame: MotionFrame, num_frames: int, kept: KeptTrack | None, device: torch.device
) -> Tokens:
    """[T, L] of each part: the initial pose's tokens in frame 0, a kept track's where a whole part is kept, -1 else."""
    tokens = {}
    track = None if kept is None else frame.motion(kept.poses)
    for part in PARTS:
        tokenizer = model.tokenizer(part)
        still = torch.zeros(1, STILL_FRAMES, tokenizer.mean.shape[0], device=device)
        found = torch.full((num_frames, model.config.tokens.num_layers), UNKNOWN, device=device)
        found[0] = tokenizer.encode(still)[0, 0]
        if kept is not None and track is not None:
            whole = torch.from_numpy(kept.kept[:, POINTS[part]].all(axis=1)).to(device)
            found[whole] = tokenizer.encode(track[part][None].to(device))[0][whole]
        tokens[part] = found
    return tokens


def sample_tokens(
    model: ContextualGesture,
    features: Tensor,
    given: Tokens,
    style: Tensor,
    settings: GestureSettings,
    generator: torch.Generator,
    with_residual: bool = True,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> Tokens:
    """Fill the unknown tokens (-1) of ``given`` [T, L], window by window; the known ones stay as they are.

    features [T, audio_channels], in whose dtype the transformers compute; style [S]. generator: on the CPU; every draw
    is made by it.
    """
    tokens = {part: given[part].clone() for part in PARTS}
    num_frames, length = len(features), model.config.generator.num_frames
    starts = window_starts(num_frames, length, settings.overlap)
    num_residual = model.config.tokens.num_layers - 1 if with_residual else 0
    num_passes = settings.num_steps + num_residual
    for idx, start in enumerate(starts):
        window = slice(start, min(start + length, num_frames))
        heard = features[window].to(device or style.device)[None]
        memories = _memories(model, heard, style.to(heard)[None], settings.pace_strength)
        known = {part: tokens[part][window, 0] != UNKNOWN for part in PARTS}

        def done(step: int, before: int = idx * num_passes) -> None:
            if progress is not None:
                progress(before + step, len(starts) * num_passes)

        lowest = {part: tokens[part][window, 0] for part in PARTS}
        lowest = fill_masked(model, lowest, memories, settings, generator, done)
        for part in PARTS:
            tokens[part][window, 0] = lowest[part]
        for layer in range(1, num_residual + 1):
            for part in PARTS:
                logits = model.generator.part(part).residual(tokens[part][window, :layer][None], memories[part][1])[0]
                tokens[part][window, layer] = torch.where(
                    known[part], tokens[part][window, layer], logits.argmax(dim=-1)
                )
            done(settings.num_steps + layer)
    return {part: tokens[part] if with_residual else tokens[part][:, :1] for part in PARTS}


def _memories(
    model: ContextualGesture, features: Tensor, style: Tensor, pace_strength: float
) -> dict[Part, tuple[Memory, Memory]]:
    """Speech [1, T, C] as the masked and the residual transformer of each part read it."""
    memories = {}
    for part in PARTS:
        generator = model.generator.part(part)
        frames = generator.hear(features, pace_strength=pace_strength)
        decoders = generator.masked.decoder, generator.residual.decoder
        memories[part] = (decoders[0].memory(frames, style), decoders[1].memory(frames, style))
    return memories


def fill_masked(
    model: ContextualGesture,
    given: Tokens,
    memories: dict[Part, tuple[Memory, Memory]],
    settings: GestureSettings,
    generator: torch.Generator,
    done: Callable[[int], None] = lambda step: None,
) -> Tokens:
    """Layer 0 of one window: tokens [T], -1 where unknown, filled in ``settings.num_steps`` passes of both parts."""
    mask_token = model.config.tokens.num_codes
    tokens = {part: torch.where(given[part] == UNKNOWN, mask_token, given[part]) for part in PARTS}
    num_masked = {part: int((given[part] == UNKNOWN).sum()) for part in PARTS}
    for step in range(1, settings.num_steps + 1):
        logits = {
            part: model.generator.part(part).masked(
                tokens[part][None], tokens[other_part(part)][None], memories[part][0]
            )[0]
            for part in PARTS
        }
        for part in PARTS:
            masked = tokens[part] == mask_token
            drawn, certainty = draw(logits[part], settings.temperature, generator)
            num_again = masked_after(step, settings.num_steps, num_masked[part])
            again = certainty.masked_fill(~masked, torch.inf).argsort(stable=True)[:num_again]
            tokens[part] = torch.where(masked, drawn, tokens[part])
            tokens[part][again] = mask_token
        done(step)
    return tokens


def draw(logits: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Logits [T, N] -> tokens [T], drawn by Gumbel's maximum, and their probabilities [T] (at temperature 1)."""
    chances = logits.float().softmax(dim=-1)
    uniform = torch.rand(logits.shape, generator=generator).clamp(min=1e-20)
    if temperature > 0:
        gumbel = -(-uniform.log()).clamp(min=1e-20).log()
        tokens = (logits.float() / temperature + gumbel.to(logits.device)).argmax(dim=-1)
    else:
        tokens = logits.argmax(dim=-1)
    return tokens, chances.gather(-1, tokens[:, None])[:, 0]


def decoded(model: ContextualGesture, tokens: Tokens) -> Motion:
    """Tokens [T, l] of each part -> motion [T, C]."""
    return {part: model.tokenizer(part).decode(tokens[part][None])[0] for part in PARTS}


def _begun_at_rest(motion: Motion, kept: KeptTrack | None) -> Motion:
    """Motion whose frame 0 is zero, the initial pose; its error fades out. A kept frame 0 is left to ``laid_over``."""
    if kept is not None and kept.kept[0].any():
        return motion
    num_frames = len(motion["face"])
    fade = (1 - torch.arange(num_frames) / min(FADE_FRAMES, max(num_frames - 1, 1))).clamp(min=0)
    return {part: each - fade[:, None].to(each) * each[:1] for part, each in motion.items()}
