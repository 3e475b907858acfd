"""Structure-aware refinement (Contextual Gesture, arXiv 2502.07239): a U-Net that mends a warped frame.

Its blocks are conditioned on edge heat maps by SPADE (arXiv 1903.07291) at four sizes; the paper's pictures of 256 px
have them at 32, 64, 128 and 256 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import ops as own_ops
from ..errors import InputError
from ..ops import Layers

NUM_SIZES = 4
STEP_PX = 2 ** (NUM_SIZES - 1)  # sides are multiples of it
REACH_PX = 8  # around what the warp changed: so far the network may change the frame
LEAST_CHANGE = 1 / 255  # of colours -1..1: half a level
EPSILON = 1e-5


@dataclass(frozen=True)
class RefinementConfig:
    """widths: channels at the frame's size, a half, a quarter and an eighth of it. edge_width: between an edge map and
    scale and shift. side_px: of the square pictures that it learned on; larger ones are mended at this short side.
    """

    widths: tuple[int, ...] = (16, 32, 48, 64)
    edge_width: int = 8
    side_px: int = 256

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        numbers = (*self.widths, self.edge_width, self.side_px)
        if any(not isinstance(number, int) or isinstance(number, bool) or number < 1 for number in numbers):
            raise InputError(f"a refinement's widths and side are {numbers}; they must be whole numbers from 1 on.")
        if len(self.widths) != NUM_SIZES or self.side_px % STEP_PX:
            raise InputError(
                f"a refinement has {len(self.widths)} widths and learned at {self.side_px} px; it must have "
                f"{NUM_SIZES}, and a side that {STEP_PX} divides."
            )


class SPADE(nn.Module):
    """Features, normalised, then scaled and shifted at every pixel by what two convolutions read in the edge map.

    Normalised over the channels of each pixel, where the SPADE paper normalises over a batch: so a crop, a whole
    picture and a batch of any size give the same.
    """

    def __init__(self, width: int, edge_width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.edges = ops.Conv2d(1, edge_width, 3, padding=1, **kw)
        self.scale_and_shift = ops.Conv2d(edge_width, 2 * width, 3, padding=1, **kw)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """x [B, C, h, w], edges [B, 1, h, w] in 0..1."""
        scale, shift = self.scale_and_shift(F.relu(self.edges(edges))).chunk(2, dim=1)
        x = x - x.mean(dim=1, keepdim=True)
        x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)
        return torch.addcmul(shift, x, 1 + scale)


class SPADEBlock(nn.Module):
    """Two convolutions, each behind a SPADE, added to what comes in."""

    def __init__(self, width: int, edge_width: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.spade_1, self.spade_2 = (SPADE(width, edge_width, ops, **kw) for _ in range(2))
        self.conv_1, self.conv_2 = (ops.Conv2d(width, width, 3, padding=1, **kw) for _ in range(2))

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.conv_1(F.silu(self.spade_1(x, edges)))
        return x + self.conv_2(F.silu(self.spade_2(h, edges)))


class Refinement(nn.Module):
    """Warped frame, photo and edge maps -> what is added to the frame. Untrained it adds nothing.

    log_sharpness: of the bones in the maps of each size, 0 as they are drawn. The paper learns the thickness sigma;
    a map to the power of k is the map of sigma / sqrt(k).
    """

    def __init__(self, config: RefinementConfig = RefinementConfig(), ops: Any = own_ops, **kw: Any) -> None:
        super().__init__()
        self.config = config
        widths, edge_width = config.widths, config.edge_width
        self.log_sharpness = nn.Parameter(torch.zeros(NUM_SIZES, **kw))
        self.input = ops.Conv2d(3 + 3 + 1, widths[0], 3, padding=1, **kw)
        self.down = Layers(ops.Conv2d(a, b, 3, stride=2, padding=1, **kw) for a, b in pairwise(widths))
        self.encode = Layers(ops.Conv2d(b, b, 3, padding=1, **kw) for b in widths[1:])
        self.up = Layers(ops.Conv2d(b, a, 1, **kw) for a, b in pairwise(widths))
        self.decode = Layers(SPADEBlock(width, edge_width, ops, **kw) for width in widths)
        self.output = ops.Conv2d(widths[0], 3, 3, padding=1, **kw)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, frame: Tensor, photo: Tensor, edges: Sequence[Tensor]) -> Tensor:
        """What is to be added to the frame, [B, 3, H, W] in its colours; 0 where the warp left the photo as it is.

        frame, photo: [B, 3, H, W] in -1..1, sides multiples of STEP_PX. edges: maps of the frame's pose, [B, 1, h, w]
        in 0..1, at the frame's size, a half, a quarter and an eighth of it.
        """
        sharpness = self.log_sharpness.to(frame).exp()
        edges = [edge_map ** sharpness[level] for level, edge_map in enumerate(edges)]
        levels = [self.input(torch.cat([frame, photo, edges[0]], dim=1))]
        for down, encode in zip(self.down, self.encode, strict=True):
            x = down(F.silu(levels[-1]))
            levels.append(x + encode(F.silu(x)))
        x = self.decode[-1](levels[-1], edges[-1])
        for level in reversed(range(NUM_SIZES - 1)):
            x = F.interpolate(self.up[level](x), scale_factor=2, mode="nearest") + levels[level]
            x = self.decode[level](x, edges[level])
        return self.output(F.silu(x)) * near_change(frame, photo)


def near_change(frame: Tensor, photo: Tensor) -> Tensor:
    """[B, 1, H, W]: 1 within REACH_PX of a pixel in which two pictures [B, 3, H, W] differ, 0 elsewhere.

    So the background stands still, and a frame in the initial pose stays the photo.
    """
    differ = ((frame - photo).abs().amax(dim=1, keepdim=True) > LEAST_CHANGE).to(frame)
    return F.max_pool2d(differ, 2 * REACH_PX + 1, stride=1, padding=REACH_PX)
