"""Speech and gestures in one space: towers of face and body against speech, learned by contrast (paper section 3.1)."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CHANNELS, PARTS, AlignmentConfig, Part
from .layers import Tower
from .motion import Motion


class Head(nn.Module):
    """The mean over time through an MLP of two layers: [..., T, D] -> [..., D] of length 1."""

    def __init__(self, width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.hidden = ops.Linear(width, width, **kw)
        self.output = ops.Linear(width, width, **kw)

    def forward(self, frames: Tensor) -> Tensor:
        return F.normalize(self.output(F.gelu(self.hidden(frames.mean(dim=-2)))), dim=-1)


class AlignedPair(nn.Module):
    """One part's tower and the tower of speech that belongs to it."""

    def __init__(self, part: Part, config: AlignmentConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        sizes = config.width, config.feed_forward_width, config.num_layers, config.num_heads
        self.gesture = Tower(CHANNELS[part], *sizes, ops, **kw)
        self.gesture_head = Head(config.width, ops, **kw)
        self.speech = Tower(config.audio_channels, *sizes, ops, **kw)
        self.speech_head = Head(config.width, ops, **kw)


class Alignment(nn.Module):
    """Both pairs. ops: where the layers come from."""

    def __init__(self, config: AlignmentConfig, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        self.config = config
        self.pairs = nn.ModuleDict({part: AlignedPair(part, config, ops, **kw) for part in PARTS})

    def pair(self, part: Part) -> AlignedPair:
        return cast(AlignedPair, self.pairs[part])

    def embed_motion(self, motion: Motion) -> Motion:
        """Motion of each part [B, T, C] -> [B, D] of length 1."""
        return {part: self.pair(part).gesture_head(self.pair(part).gesture(motion[part])) for part in PARTS}

    def embed_speech(self, features: Tensor) -> Motion:
        """Speech features [B, T, audio_channels] -> for each part [B, D] of length 1."""
        return {part: self.pair(part).speech_head(self.pair(part).speech(features)) for part in PARTS}


def info_nce(gestures: Tensor, speech: Tensor, negatives: Tensor | None, temperature: float) -> Tensor:
    """InfoNCE in both directions: gesture i belongs to speech i alone. The mean of both, over the batch.

    gestures, speech: [B, D] of length 1. negatives: [N, D], further speech that belongs to no gesture (chronological
    negatives), or None; a gesture is told from them too.
    """
    own = torch.arange(len(gestures), device=gestures.device)
    candidates = speech if negatives is None else torch.cat([speech, negatives])
    of_gestures = F.cross_entropy(gestures @ candidates.T / temperature, own)
    return (of_gestures + F.cross_entropy(speech @ gestures.T / temperature, own)) / 2


def ranks(similarity: Tensor) -> Tensor:
    """[B, B] similarity of query i and candidate j -> [B] int64: how many candidates come before the own one."""
    return (similarity > similarity.diagonal()[:, None]).sum(dim=1)
