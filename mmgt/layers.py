"""The layers that networks are made of outside of ComfyUI: torch's, with oneDNN's matrix products on a CPU.

This module is what the networks take as ``ops``; in ComfyUI it is ``comfy.ops``.
"""

from __future__ import annotations

import ctypes
import gc
import sys

import torch
from torch import Tensor, nn
from torch.nn import Conv2d, GroupNorm, LayerNorm

__all__ = ["Conv2d", "GroupNorm", "LayerNorm", "Linear", "reuse_freed_memory"]

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Linear(nn.Linear):
    """``nn.Linear``. Its product is oneDNN's where torch would take MKL's: 1.05 to 1.6 times as fast in float32."""

    def forward(self, x: Tensor) -> Tensor:
        plain = x.device.type == "cpu" and x.dtype == self.weight.dtype == torch.float32 and x.numel() > 0
        if _HAS_ONEDNN and plain and not torch.is_grad_enabled():
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return super().forward(x)


def reuse_freed_memory() -> None:
    """Give back what was freed until now, and let glibc keep what tensors free from now on (up to 2 GiB).

    Clearing new pages for each tensor costs a tenth of the time on a CPU. It holds for the rest of the process;
    elsewhere than on glibc nothing happens.
    """
    gc.collect()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        return
    libc.malloc_trim(0)
    libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: tensors below 1 GiB come from the heap
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes
