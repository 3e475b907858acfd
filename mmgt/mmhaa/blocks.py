"""Atoms that the blocks of both UNets share. Shapes: tokens [N, L, C], frames [N, C, h, w]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..ops import Layers, attend_of

NUM_GROUPS = 32  # of the published network's group norms
# Numbers inside of a feed-forward at once: as many as a processor's cache holds, or as keep a GPU busy.
CPU_HIDDEN_SIZE = 6 * 2**20
GPU_HIDDEN_SIZE = 2**26


class Attention(nn.Module):
    """Multi-head attention; queries, keys and values without bias."""

    def __init__(self, width: int, num_heads: int, ops: Any, memory_width: int | None = None, **kw: Any) -> None:
        super().__init__()
        self.num_heads, self.attend = num_heads, attend_of(ops)
        self.to_q = ops.Linear(width, width, bias=False, **kw)
        self.to_k = ops.Linear(memory_width or width, width, bias=False, **kw)
        self.to_v = ops.Linear(memory_width or width, width, bias=False, **kw)
        self.to_out = Layers([ops.Linear(width, width, **kw)])

    def mix(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """softmax(q k / sqrt(width / heads)) v of projected [N, L, C]."""
        return self.attend(queries, keys, values, self.num_heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Self-attention."""
        return self.to_out[0](self.mix(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)))


class GatedGelu(nn.Module):
    def __init__(self, width: int, hidden: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.proj = ops.Linear(width, 2 * hidden, **kw)

    def forward(self, tokens: Tensor) -> Tensor:
        value, gate = self.proj(tokens).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.net = nn.Sequential(
            GatedGelu(width, 4 * width, ops, **kw), nn.Identity(), ops.Linear(4 * width, width, **kw)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [N, L, C], some at a time: what lies between is eight times as wide."""
        hidden_size = CPU_HIDDEN_SIZE if tokens.device.type == "cpu" else GPU_HIDDEN_SIZE
        rows = rearrange(tokens, "n l c -> (n l) c")
        return in_parts(self.net, rows, math.ceil(rows.numel() * 8 / hidden_size)).view_as(tokens)


class Resnet(nn.Module):
    """Two 3x3 convolutions with the time embedding in between."""

    def __init__(
        self, in_width: int, out_width: int, time_width: int, ops: Any, num_groups: int = NUM_GROUPS, **kw: Any
    ) -> None:
        super().__init__()
        self.norm1 = ops.GroupNorm(num_groups, in_width, eps=1e-5, **kw)
        self.conv1 = ops.Conv2d(in_width, out_width, 3, padding=1, **kw)
        self.time_emb_proj = ops.Linear(time_width, out_width, **kw)
        self.norm2 = ops.GroupNorm(num_groups, out_width, eps=1e-5, **kw)
        self.conv2 = ops.Conv2d(out_width, out_width, 3, padding=1, **kw)
        self.conv_shortcut = ops.Conv2d(in_width, out_width, 1, **kw) if in_width != out_width else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x [N, C, h, w]; time [1 or N, time width], already through SiLU."""
        h = self.conv1(F.silu(self.norm1(x))).add_(self.time_emb_proj(time)[:, :, None, None])
        h = self.conv2(F.silu(self.norm2(h)))
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))


class Downsample(nn.Module):
    def __init__(self, width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.conv = ops.Conv2d(width, width, 3, stride=2, padding=1, **kw)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.conv = ops.Conv2d(width, width, 3, padding=1, **kw)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        return self.conv(F.interpolate(x, size=(height, width), mode="nearest"))


def in_parts(run: Callable[[Tensor], Tensor], x: Tensor, num_parts: int) -> Tensor:
    """run(x) for a run that treats the rows of x alike, some of them at a time."""
    parts = x.chunk(num_parts) if num_parts > 1 else ()
    return torch.cat([run(part) for part in parts]) if len(parts) > 1 else run(x)


def channels_last(x: Tensor) -> Tensor:
    """[N, C, h, w] in channels-last order, which convolutions, norms and tokens then keep: no copies in between.

    Not where gradients are wanted: in this order a step of training crashed inside of torch 2.13 on a CPU.
    """
    return x if torch.is_grad_enabled() else x.contiguous(memory_format=torch.channels_last)


def to_tokens(x: Tensor) -> Tensor:
    """[N, C, h, w] -> [N, h w, C]; a picture in channels-last order is not copied."""
    return rearrange(x, "n c h w -> n (h w) c").contiguous()


def to_frames(tokens: Tensor, like: Tensor) -> Tensor:
    """[N, h w, C] -> [N, C, h, w] with the h and w of ``like``."""
    height, width = like.shape[-2:]
    return rearrange(tokens, "n (h w) c -> n c h w", h=height, w=width)


def with_rows(x: Tensor, like: Tensor) -> Tensor:
    """Repeat [F, ...], which all guidance rows share, to the number of rows of ``like`` [(R F), ...], in its layout."""
    return x if len(x) == len(like) else torch.cat([x] * (len(like) // len(x)))
