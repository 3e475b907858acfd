"""wav2vec2 layers around a video frame -> the audio tokens that MM-HAA attends to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

CONTEXT_FRAMES = 2  # a frame reads two frames (80 ms) before and behind it
NUM_FRAMES_AROUND = 2 * CONTEXT_FRAMES + 1


class AudioProjection(nn.Module):
    """[..., 5, layers, D] -> [..., num_tokens, token_width]."""

    def __init__(self, in_width: int, hidden: int, num_tokens: int, token_width: int, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        self.token_width = token_width
        self.proj1 = ops.Linear(in_width, hidden, **kw)
        self.proj2 = ops.Linear(hidden, hidden, **kw)
        self.proj3 = ops.Linear(hidden, num_tokens * token_width, **kw)
        self.norm = ops.LayerNorm(token_width, **kw)

    @staticmethod
    def sizes(state_dict: Mapping[str, Tensor]) -> tuple[int, int, int, int]:
        """in_width, hidden, num_tokens, token_width of a state dict."""
        hidden, in_width = state_dict["proj1.weight"].shape
        token_width = state_dict["norm.weight"].shape[0]
        return in_width, hidden, state_dict["proj3.weight"].shape[0] // token_width, token_width

    def forward(self, layers_around: Tensor) -> Tensor:
        stacked = rearrange(layers_around, "... around layers d -> ... (around layers d)")
        hidden = F.relu(self.proj2(F.relu(self.proj1(stacked))))
        return self.norm(rearrange(self.proj3(hidden), "... (tokens d) -> ... tokens d", d=self.token_width))


def around_each_frame(layers: Tensor, frames: Sequence[int] | None = None) -> Tensor:
    """[T, layers, D] -> [F, 5, layers, D]: chosen frames (or all) with two neighbours at each side."""
    offsets = torch.arange(-CONTEXT_FRAMES, CONTEXT_FRAMES + 1)
    chosen = torch.arange(len(layers)) if frames is None else torch.as_tensor(list(frames))
    return layers[(chosen[:, None] + offsets).clamp(0, len(layers) - 1)]
