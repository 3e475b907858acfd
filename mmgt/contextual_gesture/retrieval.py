"""What the aligned towers and the speakers' embeddings serve besides: gestures found for speech, a clip's style."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence
from ..windows import window_starts
from .config import PARTS
from .generator import other_part
from .model import ContextualGesture
from .motion import Motion, MotionFrame
from .sample import check_features

STYLE_DRAWS = 4  # of masked frames, by which speakers are compared
STYLE_MASKED = 0.5


@dataclass(frozen=True)
class Found:
    """A clip's name and how well its gestures go with the speech: the mean cosine of face and body, -1..1."""

    name: str
    similarity: float


@torch.inference_mode()
def find_gestures(
    model: ContextualGesture,
    features: Tensor,
    clips: Mapping[str, PoseSequence],
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> list[Found]:
    """Pose clips ranked for a recording, the best first, equal ones by their names.

    features: [T, audio_channels] at 25 fps. clips: at any rate; a clip is compared from its beginning, over what both
    last, in windows of 80 frames. Raises InputError without a clip, and for one that shows no person.
    """
    check_features(model, features)
    if not clips:
        raise InputError("there is no pose clip to choose from; give one or more.")
    device = device or model.generator.styles.device
    found = []
    for idx, (name, poses) in enumerate(clips.items()):
        poses = poses.at_fps(POSE_FPS)
        motion = MotionFrame(poses.frames(0, 1)).motion(poses)
        found.append(Found(name, similarity(model, features.to(device), {p: m.to(device) for p, m in motion.items()})))
        if progress is not None:
            progress(idx + 1, len(clips))
    return sorted(found, key=lambda each: (-each.similarity, each.name))


def similarity(model: ContextualGesture, features: Tensor, motion: Motion) -> float:
    """Mean cosine of speech [T, C] and motion [T', C], over the windows of the frames that both have."""
    num_frames = min(len(features), len(motion["face"]))
    length = min(model.config.generator.num_frames, num_frames)
    starts = window_starts(num_frames, length, length // 4)
    of_speech = model.alignment.embed_speech(torch.stack([features[s : s + length] for s in starts]))
    of_motion = model.alignment.embed_motion(
        {part: torch.stack([motion[part][s : s + length] for s in starts]) for part in PARTS}
    )
    cosines = [(of_speech[part] * of_motion[part]).sum(dim=-1).mean() for part in PARTS]
    return float(torch.stack(cosines).mean())


@torch.inference_mode()
def style_of(
    model: ContextualGesture,
    features: Tensor,
    poses: PoseSequence,
    *,
    seed: int = 0,
    device: torch.device | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """The style [S] of a clip given as example, and each speaker's share of it (they sum to 1).

    Half of the clip's tokens are masked, and each speaker's embedding says how likely it finds them; embeddings are
    mixed by these likelihoods, a frame counting as one. features: [T, audio_channels] of the clip's own speech.
    """
    check_features(model, features)
    device = device or model.generator.styles.device
    poses = poses.at_fps(POSE_FPS)
    num_frames = min(len(features), poses.num_frames, model.config.generator.num_frames)
    motion = MotionFrame(poses.frames(0, 1)).motion(poses.frames(0, num_frames))
    tokens = {part: model.tokenizer(part).encode(motion[part][None].to(device))[..., 0] for part in PARTS}
    generator = torch.Generator("cpu").manual_seed(seed)
    masks = [torch.rand(1, num_frames, generator=generator) < STYLE_MASKED for _ in range(STYLE_DRAWS)]
    speech = features[:num_frames].to(device)[None]
    losses = torch.stack([surprise(model, tokens, speech, style[None], masks) for style in model.generator.styles])
    shares = (-losses * num_frames * STYLE_MASKED).softmax(dim=0)
    return shares @ model.generator.styles, dict(zip(model.speakers, shares.tolist(), strict=True))


def surprise(model: ContextualGesture, tokens: Motion, speech: Tensor, style: Tensor, masks: list[Tensor]) -> Tensor:
    """Mean cross-entropy of masked tokens, over both parts and all masks."""
    losses = []
    for mask in (each.to(speech.device) for each in masks):
        seen = {part: tokens[part].masked_fill(mask, model.config.tokens.num_codes) for part in PARTS}
        for part in PARTS:
            generator = model.generator.part(part)
            memory = generator.masked.decoder.memory(generator.hear(speech), style)
            logits = generator.masked(seen[part], seen[other_part(part)], memory)
            losses.append(torch.nn.functional.cross_entropy(logits[mask], tokens[part][mask]))
    return torch.stack(losses).mean()
