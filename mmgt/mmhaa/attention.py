"""Spatial attention of the UNets, and MM-HAA: motion-masked hierarchical audio attention (paper section III-C).

What does not change over steps is computed once per video and handed in: the photo's keys and values and its CLIP
vector (``Reference``), the speech's keys and values (``AudioMemory``). Guidance rows: row 0 without speech and photo,
row 1 with them; a single row is the one with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import NUM_GROUPS, Attention, FeedForward, to_frames, to_tokens, with_rows

BRANCHES = ("full", "face", "lip")


@dataclass(frozen=True)
class Reference:
    """The photo as one transformer block reads it: keys, values [1, n, C], image [1, 1, C] (CLIP cross-attention)."""

    keys: Tensor
    values: Tensor
    image: Tensor
    no_image: Tensor  # the same without a photo: the output bias alone


class SpatialBlock(nn.Module):
    """Self-attention (with the photo), CLIP cross-attention, feed-forward."""

    def __init__(self, width: int, num_heads: int, image_channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm1 = ops.LayerNorm(width, **kw)
        self.attn1 = Attention(width, num_heads, ops, **kw)
        self.norm2 = ops.LayerNorm(width, **kw)
        self.attn2 = Attention(width, num_heads, ops, memory_width=image_channels, **kw)
        self.norm3 = ops.LayerNorm(width, **kw)
        self.ff = FeedForward(width, ops, **kw)

    def see(self, image_token: Tensor) -> Tensor:
        """Cross-attention to the one CLIP token [1, 1, D]: softmax over one key is 1, so it is constant: [1, 1, C]."""
        return self.attn2.to_out[0](self.attn2.to_v(image_token))

    def remember(self, features: Tensor, image_token: Tensor) -> Reference:
        """features [1, n, C]: the reference UNet's norm1 output at this block's place."""
        no_image = self.see(torch.zeros_like(image_token))
        return Reference(self.attn1.to_k(features), self.attn1.to_v(features), self.see(image_token), no_image)

    def forward(self, tokens: Tensor, reference: Reference, num_frames: int, num_rows: int) -> Tensor:
        """tokens [(R F), n, C] -> [(num_rows F), n, C]. Only the row with the photo reads it.

        R is num_rows, or 1 where the rows have not differed yet: then they share queries, keys and values.
        """
        z = self.norm1(tokens)
        q, k, v = self.attn1.to_q(z), self.attn1.to_k(z), self.attn1.to_v(z)
        plain, seeing = slice(0, num_frames), slice(len(z) - num_frames, len(z))
        keys, values = (
            torch.cat([own[seeing], photo.expand(num_frames, -1, -1)], dim=1)
            for own, photo in ((k, reference.keys), (v, reference.values))
        )
        mixed, image = self.attn1.mix(q[seeing], keys, values), reference.image.expand(num_frames, -1, -1)
        if num_rows == 2:
            mixed = torch.cat([self.attn1.mix(q[plain], k[plain], v[plain]), mixed])
            image = torch.cat([reference.no_image.expand(num_frames, -1, -1), image])
        tokens = with_rows(tokens, like=mixed) + self.attn1.to_out[0](mixed) + image
        return tokens + self.ff(self.norm3(tokens))

    def write(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """The reference UNet's pass: returns the tokens and the features norm1(x) that ``remember`` takes."""
        features = self.norm1(tokens)
        tokens = tokens + self.attn1(features) + image
        return tokens + self.ff(self.norm3(tokens)), features


class SpatialTransformer(nn.Module):
    def __init__(self, width: int, num_heads: int, image_channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm = ops.GroupNorm(NUM_GROUPS, width, eps=1e-6, **kw)
        self.proj_in = ops.Conv2d(width, width, 1, **kw)
        self.transformer_blocks = nn.ModuleList([SpatialBlock(width, num_heads, image_channels, ops, **kw)])
        self.proj_out = ops.Conv2d(width, width, 1, **kw)

    @property
    def block(self) -> SpatialBlock:
        return self.transformer_blocks[0]  # type: ignore[return-value]

    def forward(self, x: Tensor, reference: Reference, num_frames: int, num_rows: int) -> Tensor:
        tokens = self.block(to_tokens(self.proj_in(self.norm(x))), reference, num_frames, num_rows)
        return with_rows(x, like=tokens) + self.proj_out(to_frames(tokens, like=x))

    def write(self, x: Tensor, image_token: Tensor) -> tuple[Tensor, Tensor]:
        tokens, features = self.block.write(to_tokens(self.proj_in(self.norm(x))), self.block.see(image_token))
        return x + self.proj_out(to_frames(tokens, like=x)), features


@dataclass(frozen=True)
class AudioMemory:
    """The speech as one audio module hears it, for F frames.

    keys, values: one [F, tokens, C] for each branch. weight [C, 3 C]: each branch's output projection and zero
    convolution as one product, side by side. masked_bias [3, C] is weighted by the masks, bias [3, C] is not.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    weight: Tensor
    masked_bias: Tensor
    bias: Tensor

    def frames(self, frame_indices: Tensor) -> AudioMemory:
        """The memory of a window."""
        keys, values = (tuple(t[frame_indices] for t in branch) for branch in (self.keys, self.values))
        return AudioMemory(keys, values, self.weight, self.masked_bias, self.bias)


class MaskedAudioBlock(nn.Module):
    """Self-attention, then audio attention in three branches (full, face, lip), each seen through its motion mask."""

    def __init__(self, width: int, num_heads: int, audio_channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm1 = ops.LayerNorm(width, **kw)
        self.attn1 = Attention(width, num_heads, ops, **kw)
        self.norm2 = ops.LayerNorm(width, **kw)
        for branch_idx, branch in enumerate(BRANCHES):
            setattr(self, f"attn2_{branch_idx}", Attention(width, num_heads, ops, memory_width=audio_channels, **kw))
            setattr(self, f"zero_conv_{branch}", ops.Conv2d(width, width, 1, **kw))
        self.norm3 = ops.LayerNorm(width, **kw)
        self.ff = FeedForward(width, ops, **kw)

    def branches(self) -> list[tuple[Attention, nn.Conv2d]]:
        return [(getattr(self, f"attn2_{i}"), getattr(self, f"zero_conv_{name}")) for i, name in enumerate(BRANCHES)]

    def listen(self, audio_tokens: Tensor) -> AudioMemory:
        """audio_tokens [F, tokens, D] -> everything that no step changes."""
        weights, masked_biases = [], []
        for attention, zero_conv in self.branches():
            out, zero = attention.to_out[0], zero_conv.weight.flatten(1).to(audio_tokens)  # [C, C]
            weights.append(zero @ out.weight.to(audio_tokens))
            masked_biases.append(zero @ out.bias.to(audio_tokens))
        return AudioMemory(
            keys=tuple(attention.to_k(audio_tokens) for attention, _ in self.branches()),
            values=tuple(attention.to_v(audio_tokens) for attention, _ in self.branches()),
            weight=torch.cat(weights, dim=1),
            masked_bias=torch.stack(masked_biases),
            bias=torch.stack([zero_conv.bias.to(audio_tokens) for _, zero_conv in self.branches()]),
        )

    def forward(self, tokens: Tensor, memory: AudioMemory, masks: Tensor, strengths: Tensor) -> Tensor:
        """tokens [(R F), n, C]; masks [3, F, n]; strengths [3].

        The row without speech hears zeros: keys and values vanish and only the biases remain.
        """
        num_frames = masks.shape[1]
        tokens = tokens + self.attn1(self.norm1(tokens))
        z = self.norm2(tokens[-num_frames:])
        seen = masks[..., None] * strengths[:, None, None, None]  # [3, F, n, 1]
        heard = torch.cat(
            [
                attention.mix(attention.to_q(z), keys, values) * mask
                for (attention, _), keys, values, mask in zip(
                    self.branches(), memory.keys, memory.values, seen, strict=True
                )
            ],
            dim=-1,
        )  # [F, n, 3 C]
        silent = torch.einsum("kfno,kc->fnc", seen, memory.masked_bias) + strengths @ memory.bias  # [F, n, C]
        rows = [silent] * (len(tokens) // num_frames - 1) + [silent + F.linear(heard, memory.weight)]
        tokens = tokens + torch.cat(rows)
        return tokens + self.ff(self.norm3(tokens))


class AudioModule(nn.Module):
    """MM-HAA at one place of the down path. inner_width: the width that entered the layer, which may be smaller."""

    def __init__(
        self, width: int, inner_width: int, num_heads: int, audio_channels: int, ops: Any = nn, **kw: Any
    ) -> None:
        super().__init__()
        self.norm = ops.GroupNorm(NUM_GROUPS, width, eps=1e-6, **kw)
        self.proj_in = ops.Conv2d(width, inner_width, 1, **kw)
        self.transformer_blocks = nn.ModuleList([MaskedAudioBlock(inner_width, num_heads, audio_channels, ops, **kw)])
        self.proj_out = ops.Conv2d(inner_width, width, 1, **kw)

    def listen(self, audio_tokens: Tensor) -> AudioMemory:
        return self.transformer_blocks[0].listen(audio_tokens)  # type: ignore[operator]

    def forward(self, x: Tensor, memory: AudioMemory, masks: Tensor, strengths: Tensor) -> Tensor:
        tokens = self.transformer_blocks[0](to_tokens(self.proj_in(self.norm(x))), memory, masks, strengths)
        return x + self.proj_out(to_frames(tokens, like=x))
