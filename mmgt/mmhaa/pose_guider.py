"""Pose pictures -> features that are added to the first convolution's output (Animate Anyone's pose guider)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class PoseGuider(nn.Module):
    """[F, 3, H, W] in 0..1 -> [F, out_width, H / 8, W / 8]. All convolutions 3x3, SiLU between them."""

    def __init__(self, widths: Sequence[int], out_width: int, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        self.conv_in = ops.Conv2d(3, widths[0], 3, padding=1, **kw)
        self.blocks = nn.ModuleList()
        for width, next_width in pairwise(widths):
            self.blocks.append(ops.Conv2d(width, width, 3, padding=1, **kw))
            self.blocks.append(ops.Conv2d(width, next_width, 3, padding=1, stride=2, **kw))
        self.conv_out = ops.Conv2d(widths[-1], out_width, 3, padding=1, **kw)

    @staticmethod
    def sizes(state_dict: Mapping[str, Tensor]) -> tuple[list[int], int]:
        """widths and out_width of a state dict."""
        num_blocks = sum(key.startswith("blocks.") and key.endswith(".weight") for key in state_dict)
        widths = [state_dict[f"blocks.{i}.weight"].shape[0] for i in range(1, num_blocks, 2)]
        return [state_dict["conv_in.weight"].shape[0], *widths], state_dict["conv_out.weight"].shape[0]

    def forward(self, pose_pictures: Tensor) -> Tensor:
        x = F.silu(self.conv_in(pose_pictures))
        for block in self.blocks:
            x = F.silu(block(x))
        return self.conv_out(x)
