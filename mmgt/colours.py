"""Pictures as networks take them: levels 0..255 <-> colours -1..1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def as_colours(pictures: Tensor | np.ndarray) -> Tensor:
    """[B, H, W, 3] uint8 -> [B, 3, H, W] float32 in -1..1."""
    return torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_pictures(colours: Tensor) -> Tensor:
    """[B, 3, H, W] in -1..1 (others are cut off) -> [B, H, W, 3] uint8 on the CPU."""
    return ((colours.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
