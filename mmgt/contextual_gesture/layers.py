"""Layers that several networks of Contextual Gesture share."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import Layers
from ..transformer import Attention, FeedForward


def positions(num_frames: int, like: Tensor) -> Tensor:
    """[T, D]: sines and cosines of the frames 0 .. T - 1, in the dtype and width of ``like`` [..., D]."""
    width = like.shape[-1]
    frequencies = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10000.0) / width))
    angles = torch.arange(num_frames, device=like.device)[:, None] * frequencies  # [T, D/2]
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(like.dtype)


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward."""

    def __init__(self, width: int, hidden: int, num_heads: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm_1 = ops.LayerNorm(width, **kw)
        self.self_attention = Attention(width, num_heads, ops, **kw)
        self.norm_2 = ops.LayerNorm(width, **kw)
        self.feed_forward = FeedForward(width, hidden, ops, **kw)

    def forward(self, x: Tensor) -> Tensor:
        n = self.norm_1(x)
        x = x + self.self_attention(n, self.self_attention.keys_values(n, n))
        return x + self.feed_forward(self.norm_2(x))


class Tower(nn.Module):
    """Frames of one kind [..., T, C] -> [..., T, D], each seeing all others.

    mean, deviation [C]: of what it was trained on; it takes raw numbers.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, channels: int, width: int, hidden: int, num_layers: int, num_heads: int, ops: Any, **kw: Any
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, **kw))
        self.register_buffer("deviation", torch.ones(channels, **kw))
        self.input = ops.Linear(channels, width, **kw)
        self.layers = Layers(EncoderLayer(width, hidden, num_heads, ops, **kw) for _ in range(num_layers))
        self.norm = ops.LayerNorm(width, **kw)

    def normalised(self, x: Tensor) -> Tensor:
        return (x - self.mean.to(x)) / self.deviation.to(x)

    def forward(self, x: Tensor) -> Tensor:
        y = self.input(self.normalised(x))
        y = y + positions(x.shape[-2], y)
        for layer in self.layers:
            y = layer(y)
        return self.norm(y)


def conv(channels: int, outputs: int, ops: Any, **kw: Any) -> nn.Module:
    """Over three frames, of what is [B, C, T, 1]."""
    return ops.Conv2d(channels, outputs, (3, 1), padding=(1, 0), **kw)


class ConvBlock(nn.Module):
    """x + conv(relu(conv(relu(x))))."""

    def __init__(self, width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.conv_1, self.conv_2 = conv(width, width, ops, **kw), conv(width, width, ops, **kw)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_2(F.relu(self.conv_1(F.relu(x))))


class Convolutions(nn.Module):
    """[B, T, C] -> [B, T, C']: a convolution, residual blocks, a convolution."""

    def __init__(self, channels: int, width: int, outputs: int, num_blocks: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.input = conv(channels, width, ops, **kw)
        self.blocks = Layers(ConvBlock(width, ops, **kw) for _ in range(num_blocks))
        self.output = conv(width, outputs, ops, **kw)

    def forward(self, x: Tensor) -> Tensor:
        y = self.input(x.transpose(1, 2)[..., None])
        for block in self.blocks:
            y = block(y)
        return self.output(F.relu(y))[..., 0].transpose(1, 2)


Styling = tuple[Tensor, Tensor]  # of an AdaptiveNorm, what a style scales by, less 1, and shifts by: [B, 1, D] each


class AdaptiveNorm(nn.Module):
    """Normalised over a frame's width, then scaled and shifted by the speaker's style (AdaIN)."""

    def __init__(self, width: int, style_width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.width = width
        self.scale_and_shift = ops.Linear(style_width, 2 * width, **kw)

    def styling(self, style: Tensor) -> Styling:
        """Of a style [B, S]; the same for all frames and passes."""
        scale, shift = self.scale_and_shift(style)[:, None].chunk(2, dim=-1)
        return scale, shift

    def forward(self, x: Tensor, styling: Styling) -> Tensor:
        """x [B, T, D]."""
        scale, shift = styling
        return torch.addcmul(shift, F.layer_norm(x, (self.width,)), 1 + scale)
