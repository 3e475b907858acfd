"""The layers and the attention that networks are made of outside of ComfyUI; there they are core's.

This module is what the networks take as ``ops``: torch's layers. As core's do, they compute in the dtype of what they
are given: weights of another are cast when their layer runs, one layer's at a time, so that a network that overflows in
half precision runs in float32 without a copy of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "Conv2d",
    "GroupNorm",
    "LayerNorm",
    "Layers",
    "Linear",
    "attend",
    "attend_of",
    "weight_and_bias",
    "weight_and_bias_of",
]

# Scores at once where no kernel avoids to hold them: 512 MiB in float32, which is what such kernels count in.
MAX_SCORES = 2**27


Layer = TypeVar("Layer", bound=nn.Module)

if TYPE_CHECKING:

    class Layers(nn.ModuleList, Generic[Layer]):
        """An ``nn.ModuleList`` that knows the type of its layers."""

        def __init__(self, modules: Iterable[Layer] = ()) -> None: ...
        @overload  # type: ignore[override]
        def __getitem__(self, idx: int) -> Layer: ...
        @overload
        def __getitem__(self, idx: slice) -> Layers[Layer]: ...
        def __getitem__(self, idx: int | slice) -> Any: ...
        def __iter__(self) -> Iterator[Layer]: ...
        def append(self, module: Layer) -> Layers[Layer]: ...  # type: ignore[override]

else:
    Layers = nn.ModuleList


def weight_and_bias(layer: Any, like: Tensor) -> tuple[Tensor, Tensor | None]:
    """A layer's weight and bias as it computes with them on ``like``: in its dtype."""
    weight, bias = layer.weight, layer.bias
    return weight.to(like.dtype), None if bias is None else bias.to(like.dtype)


class Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *weight_and_bias(self, x))


class Conv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *weight_and_bias(self, x))


class GroupNorm(nn.GroupNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, *weight_and_bias(self, x), self.eps)


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, *weight_and_bias(self, x), self.eps)


def weight_and_bias_of(ops: Any) -> Callable[[Any, Tensor], tuple[Tensor, Tensor | None]]:
    """How weights of these layers are read: theirs (ComfyUI's patch and move them), or ``weight_and_bias``."""
    return getattr(ops, "weight_and_bias", weight_and_bias)


Attend = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def attend_of(ops: Any) -> Attend:
    """The attention that belongs to layers: theirs, or ``attend`` where they have none (``torch.nn``)."""
    return getattr(ops, "attend", attend)


def attend(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
    """softmax(q k / sqrt(C / heads)) v: queries [N, L, C], keys and values [N, M, C] -> [N, L, C].

    Where the device has no kernel that avoids to hold all N heads L M scores (Macs; AMD cards without AOTriton), it
    takes some of N at a time, and of a single one some queries at a time; the answer is the same.
    """
    q, k, v = (t.unflatten(-1, (num_heads, -1)).transpose(1, 2) for t in (queries, keys, values))  # [N, heads, L, d]
    scores_of_one = num_heads * q.shape[2] * k.shape[2]
    if len(q) * scores_of_one <= MAX_SCORES or _has_fused_attention(q, k, v):
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
    mixed = torch.empty_like(queries)
    at_once, queries_at_once = max(1, MAX_SCORES // scores_of_one), max(1, MAX_SCORES // (num_heads * k.shape[2]))
    for some in _parts(len(q), at_once):
        for places in _parts(q.shape[2], queries_at_once):
            part = F.scaled_dot_product_attention(q[some, :, places], k[some], v[some])
            mixed[some, places] = part.transpose(1, 2).flatten(-2)
    return mixed


def _parts(length: int, at_once: int) -> list[slice]:
    """0 .. length in parts of about the same size, of at_once at most."""
    size = math.ceil(length / math.ceil(length / at_once))
    return [slice(start, start + size) for start in range(0, length, size)]


def _has_fused_attention(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether torch's attention runs in a kernel that does not hold the scores."""
    if q.device.type == "cuda":  # AMD's cards too
        return bool(torch._fused_sdp_choice(q, k, v) != torch.nn.attention.SDPBackend.MATH.value)
    return q.device.type != "mps"
