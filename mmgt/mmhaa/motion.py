"""Motion modules: attention over a window's frames at every place of the picture (AnimateDiff, arXiv 2307.04725)."""

from __future__ import annotations

import math
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..ops import Layers
from .blocks import NUM_GROUPS, Attention, FeedForward, in_parts, to_frames, to_tokens

MAX_FRAMES = 32  # length of the position table
NUM_ATTENTIONS = 2
MAX_PLACES = 2**15  # at once: CUDA's attention kernels take a batch below 65,536


class Positions(nn.Module):
    """Sinusoids of the frame's place in its window; a buffer, because the checkpoint holds it."""

    def __init__(self, width: int, **kw: Any) -> None:
        super().__init__()
        position = torch.arange(MAX_FRAMES).unsqueeze(1)
        frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(1, MAX_FRAMES, width)
        table[0, :, 0::2] = torch.sin(position * frequency)
        table[0, :, 1::2] = torch.cos(position * frequency)
        self.pe: Tensor
        self.register_buffer("pe", table.to(**kw))


class TemporalAttention(Attention):
    def __init__(self, width: int, num_heads: int, ops: Any, **kw: Any) -> None:
        super().__init__(width, num_heads, ops, **kw)
        self.pos_encoder = Positions(width, **kw)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [N, F, C]."""
        return super().forward(tokens + self.pos_encoder.pe[:, : tokens.shape[1]].to(tokens))


class TemporalBlock(nn.Module):
    def __init__(self, width: int, num_heads: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.attention_blocks = Layers(TemporalAttention(width, num_heads, ops, **kw) for _ in range(NUM_ATTENTIONS))
        self.norms = Layers(ops.LayerNorm(width, **kw) for _ in range(NUM_ATTENTIONS))
        self.ff = FeedForward(width, ops, **kw)
        self.ff_norm = ops.LayerNorm(width, **kw)

    def forward(self, tokens: Tensor) -> Tensor:
        for norm, attention in zip(self.norms, self.attention_blocks, strict=True):
            tokens = attention(norm(tokens)).add_(tokens)
        return self.ff(self.ff_norm(tokens)).add_(tokens)


class TemporalTransformer(nn.Module):
    def __init__(self, width: int, num_heads: int, ops: Any, num_groups: int, **kw: Any) -> None:
        super().__init__()
        self.norm = ops.GroupNorm(num_groups, width, eps=1e-6, **kw)
        self.proj_in = ops.Linear(width, width, **kw)
        self.transformer_blocks = Layers([TemporalBlock(width, num_heads, ops, **kw)])
        self.proj_out = ops.Linear(width, width, **kw)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        tokens = self.proj_in(to_tokens(self.norm(x)))  # [(R F), h w, C]
        places = rearrange(tokens, "(r f) n c -> (r n) f c", f=num_frames)  # each place of the picture over time
        mixed = in_parts(self.transformer_blocks[0], places, math.ceil(len(places) / MAX_PLACES))
        tokens = rearrange(mixed, "(r n) f c -> (r f) n c", n=tokens.shape[1])
        return x + to_frames(self.proj_out(tokens), like=x)


class MotionModule(nn.Module):
    """x [(R F), C, h, w] -> the same shape; F at most 32."""

    def __init__(self, width: int, num_heads: int, ops: Any = nn, num_groups: int = NUM_GROUPS, **kw: Any) -> None:
        super().__init__()
        self.temporal_transformer = TemporalTransformer(width, num_heads, ops, num_groups, **kw)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        return self.temporal_transformer(x, num_frames)
