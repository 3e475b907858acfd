"""``ops`` of a command on a CPU: oneDNN's matrix products, 1.05 to 1.6 times as fast in float32 as torch's choice.

The operator is private to torch, so only commands and benches choose it (``fastest_ops``); without it, or where
gradients are wanted, torch's own product runs.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import ops
from ..ops import Conv2d, GroupNorm, LayerNorm, attend, weight_and_bias

__all__ = ["Conv2d", "GroupNorm", "LayerNorm", "Linear", "attend", "fastest_ops", "weight_and_bias"]

_IS_THERE = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        weight, bias = weight_and_bias(self, x)
        plain = x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() > 0
        if _IS_THERE and plain and not torch.is_grad_enabled():
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return F.linear(x, weight, bias)


def fastest_ops(device: torch.device) -> Any:
    """The layers to load a network with, outside of ComfyUI."""
    return sys.modules[__name__] if device.type == "cpu" else ops
