"""Tokens from speech: a masked transformer for layer 0, a residual one for the layers above (paper section 3.3).

Letters: B batch, T frames of a window, N codes, D width, S style. Each part (face, body) has transformers of its own; a
part's input is the sum of both parts' embedded tokens, so that head and arms go together. Not as the paper: beside
cross-attention, a frame's speech is added to its token, as both have one rate (small networks never found it else).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import Layers
from ..transformer import Attention, FeedForward, KeysValues
from .config import PARTS, GeneratorConfig, Part, TokensConfig
from .layers import AdaptiveNorm, Styling, Tower, positions
from .pace import Pace


@dataclass(frozen=True)
class Memory:
    """Speech and speaker, as the layers of one transformer read them; the same for all passes over a window.

    frames [B, T, D]; keys_values of each layer; stylings of each layer's norms.
    """

    frames: Tensor
    keys_values: list[KeysValues]
    stylings: list[list[Styling]]


class DecoderLayer(nn.Module):
    """Self-attention over tokens, cross-attention to speech, feed-forward; norms styled by the speaker."""

    def __init__(self, config: GeneratorConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        width = config.width
        self.norm_1, self.norm_2, self.norm_3 = (AdaptiveNorm(width, config.style_width, ops, **kw) for _ in range(3))
        self.self_attention = Attention(width, config.num_heads, ops, **kw)
        self.cross_attention = Attention(width, config.num_heads, ops, **kw)
        self.feed_forward = FeedForward(width, config.feed_forward_width, ops, **kw)

    def stylings(self, style: Tensor) -> list[Styling]:
        """Of a style [B, S], for each norm."""
        return [norm.styling(style) for norm in (self.norm_1, self.norm_2, self.norm_3)]

    def forward(self, x: Tensor, keys_values: KeysValues, stylings: list[Styling]) -> Tensor:
        styling_1, styling_2, styling_3 = stylings
        n = self.norm_1(x, styling_1)
        x = x + self.self_attention(n, self.self_attention.keys_values(n, n))
        x = x + self.cross_attention(self.norm_2(x, styling_2), keys_values)
        return x + self.feed_forward(self.norm_3(x, styling_3))


class Decoder(nn.Module):
    """Layers over tokens that hear speech."""

    def __init__(self, config: GeneratorConfig, num_layers: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.layers = Layers(DecoderLayer(config, ops, **kw) for _ in range(num_layers))
        self.norm = ops.LayerNorm(config.width, **kw)

    def memory(self, frames: Tensor, style: Tensor) -> Memory:
        """frames [B, T, D] of speech as it is heard, style [B, S]."""
        keys = frames + positions(frames.shape[-2], frames)
        return Memory(
            frames,
            [layer.cross_attention.keys_values(keys, frames) for layer in self.layers],
            [layer.stylings(style) for layer in self.layers],
        )

    def forward(self, embedded: Tensor, memory: Memory) -> Tensor:
        """Embedded tokens [B, T, D] -> [B, T, D]."""
        x = embedded + memory.frames + positions(embedded.shape[-2], embedded)
        for layer, keys_values, stylings in zip(self.layers, memory.keys_values, memory.stylings, strict=True):
            x = layer(x, keys_values, stylings)
        return self.norm(x)


class MaskedTransformer(nn.Module):
    """Layer 0 of one part: tokens 0 .. N - 1, N where masked."""

    def __init__(self, config: GeneratorConfig, num_codes: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.mask_token = num_codes
        self.own = nn.Parameter(torch.zeros(num_codes + 1, config.width, **kw))
        self.other = nn.Parameter(torch.zeros(num_codes + 1, config.width, **kw))
        self.decoder = Decoder(config, config.num_layers, ops, **kw)
        self.output = ops.Linear(config.width, num_codes, **kw)

    def forward(self, own: Tensor, other: Tensor, memory: Memory) -> Tensor:
        """Tokens of this part and of the other one [B, T] -> logits [B, T, N] of this part's."""
        embedded = F.embedding(own, self.own.to(memory.frames)) + F.embedding(other, self.other.to(memory.frames))
        return self.output(self.decoder(embedded, memory))


class ResidualTransformer(nn.Module):
    """Layers 1 .. L - 1 of one part, each from the layers below; an embedding and a head for each."""

    def __init__(self, config: GeneratorConfig, tokens: TokensConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        num_layers, width = tokens.num_layers - 1, config.width
        self.tables = nn.Parameter(torch.zeros(num_layers, tokens.num_codes, width, **kw))
        self.depth = nn.Parameter(torch.zeros(num_layers, width, **kw))
        self.decoder = Decoder(config, config.num_residual_layers, ops, **kw)
        self.heads = Layers(ops.Linear(width, tokens.num_codes, **kw) for _ in range(num_layers))

    def forward(self, below: Tensor, memory: Memory) -> Tensor:
        """Tokens [B, T, l] of the layers 0 .. l - 1 -> logits [B, T, N] of layer l."""
        layer = below.shape[-1]
        tables = self.tables.to(memory.frames)
        embedded = torch.stack([F.embedding(below[..., i], tables[i]) for i in range(layer)]).sum(dim=0)
        return self.heads[layer - 1](self.decoder(embedded + self.depth[layer - 1].to(embedded), memory))


class PartGenerator(nn.Module):
    """How one part hears speech, and both its transformers."""

    def __init__(self, config: GeneratorConfig, tokens: TokensConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        sizes = config.width, config.feed_forward_width, config.num_speech_layers, config.num_heads
        self.speech = Tower(config.audio_channels, *sizes, ops, **kw)
        self.pace = None
        if config.pace_blocks:
            self.pace = Pace(config.audio_channels, config.width, config.pace_blocks, ops, **kw)
        self.masked = MaskedTransformer(config, tokens.num_codes, ops, **kw)
        self.residual = ResidualTransformer(config, tokens, ops, **kw)

    def told_pace(self, features: Tensor) -> Tensor:
        """Speech features [B, T, audio_channels] -> the pace [B, T, 1], of a part that learned one."""
        assert self.pace is not None
        return self.pace(self.speech.normalised(features))

    def hear(self, features: Tensor, pace: Tensor | None = None, pace_strength: float = 1.0) -> Tensor:
        """Speech features [B, T, audio_channels] -> [B, T, D]: the tower's frames, and the pace [B, T, 1] beside them,
        told from the same features unless it is given. What is told is a mean, so it is multiplied."""
        frames = self.speech(features)
        if self.pace is None:
            return frames
        if pace is None:
            pace = pace_strength * self.told_pace(features)
        return frames + self.pace.embedding(pace)


class Generator(nn.Module):
    """Both parts' transformers and the speakers' embeddings."""

    def __init__(self, config: GeneratorConfig, tokens: TokensConfig, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        self.config = config
        self.styles = nn.Parameter(torch.zeros(len(config.speakers), config.style_width, **kw))
        self.parts = nn.ModuleDict({part: PartGenerator(config, tokens, ops, **kw) for part in PARTS})

    def part(self, part: Part) -> PartGenerator:
        return cast(PartGenerator, self.parts[part])


def other_part(part: Part) -> Part:
    return "body" if part == "face" else "face"
