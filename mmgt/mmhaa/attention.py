"""Spatial attention of the UNets, and MM-HAA: motion-masked hierarchical audio attention (paper section III-C).

What does not change over steps is computed once per video and handed in: the photo's keys and values and its CLIP
vector (``Reference``), the speech's keys and values (``AudioMemory``). Guidance rows: ``rows`` says of each whether it
sees the photo and hears the speech; (False, True) is classifier-free guidance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import NUM_GROUPS, Attention, FeedForward, to_frames, to_tokens, with_rows

BRANCHES = ("full", "face", "lip")

Rows = tuple[bool, ...]  # of each guidance row: does it see the photo and hear the speech?


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

    def forward(self, tokens: Tensor, reference: Reference, num_frames: int, rows: Rows) -> Tensor:
        """tokens [(R F), n, C] -> [(rows F), n, C]. Only rows with the photo read it.

        R is the number of rows, or 1 where the rows have not differed yet: then they share queries, keys and values.
        """
        z = self.norm1(tokens)
        q, k, v = (
            t.unflatten(0, (-1, num_frames)) for t in (self.attn1.to_q(z), self.attn1.to_k(z), self.attn1.to_v(z))
        )
        answers = []
        for row, with_photo in enumerate(rows):
            row = min(row, len(q) - 1)
            keys, values, image = k[row], v[row], reference.no_image
            if with_photo:
                keys, values = (
                    torch.cat([own, photo.expand(num_frames, -1, -1)], dim=1)
                    for own, photo in ((keys, reference.keys), (values, reference.values))
                )
                image = reference.image
            answers.append(self.attn1.to_out[0](self.attn1.mix(q[row], keys, values)).add_(image))
        attended = torch.cat(answers)
        tokens = attended.add_(with_rows(tokens, like=attended))
        return self.ff(self.norm3(tokens)).add_(tokens)

    def write(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """The reference UNet's pass: returns the tokens and the features norm1(x) that ``remember`` takes."""
        features = self.norm1(tokens)
        tokens = tokens + self.attn1(features) + image
        return self.ff(self.norm3(tokens)).add_(tokens), features


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

    def forward(self, x: Tensor, reference: Reference, num_frames: int, rows: Rows) -> Tensor:
        tokens = self.block(to_tokens(self.proj_in(self.norm(x))), reference, num_frames, rows)
        return with_rows(x, like=tokens) + self.proj_out(to_frames(tokens, like=x))

    def write(self, x: Tensor, image_token: Tensor) -> tuple[Tensor, Tensor]:
        tokens, features = self.block.write(to_tokens(self.proj_in(self.norm(x))), self.block.see(image_token))
        return x + self.proj_out(to_frames(tokens, like=x)), features


@dataclass(frozen=True)
class AudioOutput:
    """An audio module's way back from the heads, folded: each branch's output projection and zero convolution as one.

    weight [C, 3 C]: the three products side by side. masked_bias [3, C] is weighted by the masks, bias [3, C] is not.
    """

    weight: Tensor
    masked_bias: Tensor
    bias: Tensor


@dataclass(frozen=True)
class AudioMemory:
    """The speech as one audio module hears it in F frames.

    keys, values: one [F, tokens, C] for each branch, or none where there is no speech.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    output: AudioOutput


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

    def fold(self, like: Tensor) -> AudioOutput:
        """The folded way out in the dtype and on the device of ``like``.

        The layers are probed instead of read, so that whatever patches them (a LoRA, a cast) is in the product. The
        probe is large so that taking the biases off again costs no digits.
        """
        probe_size = 1024.0
        width: int = self.attn1.to_out[0].out_features
        probe = torch.cat([torch.eye(width), torch.zeros(1, width)]).to(like) * probe_size
        products, masked_biases, biases = [], [], []
        for attention, zero_conv in self.branches():
            answers = zero_conv(attention.to_out[0](probe)[..., None, None]).flatten(1)  # [C + 1, C]
            bias = zero_conv(torch.zeros_like(probe[:1])[..., None, None]).flatten()
            products.append(((answers[:-1] - answers[-1]) / probe_size).T)
            masked_biases.append(answers[-1] - bias)
            biases.append(bias)
        return AudioOutput(torch.cat(products, dim=1), torch.stack(masked_biases), torch.stack(biases))

    def listen(self, audio_tokens: Tensor | None, output: AudioOutput) -> AudioMemory:
        """audio_tokens [F, tokens, D], or None for no speech."""
        if audio_tokens is None:
            return AudioMemory((), (), output)
        return AudioMemory(
            keys=tuple(attention.to_k(audio_tokens) for attention, _ in self.branches()),
            values=tuple(attention.to_v(audio_tokens) for attention, _ in self.branches()),
            output=output,
        )

    def forward(self, tokens: Tensor, memory: AudioMemory, masks: Tensor, strengths: Tensor, rows: Rows) -> Tensor:
        """tokens [(rows F), n, C]; masks [3, F, n]; strengths [3].

        A row without speech hears zeros: keys and values vanish and only the biases remain.
        """
        num_frames, output = masks.shape[1], memory.output
        tokens = self.attn1(self.norm1(tokens)).add_(tokens)
        seen = masks[..., None] * strengths[:, None, None, None]  # [3, F, n, 1]
        silent = torch.einsum("kfno,kc->fnc", seen, output.masked_bias) + strengths @ output.bias  # [F, n, C]
        heard = [silent] * len(rows)
        for row, with_speech in enumerate(rows):
            if with_speech and memory.keys:
                z = self.norm2(tokens[row * num_frames : (row + 1) * num_frames])
                branches = [
                    attention.mix(attention.to_q(z), keys, values) * mask
                    for (attention, _), keys, values, mask in zip(
                        self.branches(), memory.keys, memory.values, seen, strict=True
                    )
                ]
                heard[row] = silent + F.linear(torch.cat(branches, dim=-1), output.weight)
        tokens = torch.cat(heard).add_(tokens)
        return self.ff(self.norm3(tokens)).add_(tokens)


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

    @property
    def block(self) -> MaskedAudioBlock:
        return self.transformer_blocks[0]  # type: ignore[return-value]

    def forward(self, x: Tensor, memory: AudioMemory, masks: Tensor, strengths: Tensor, rows: Rows) -> Tensor:
        tokens = self.block(to_tokens(self.proj_in(self.norm(x))), memory, masks, strengths, rows)
        return x + self.proj_out(to_frames(tokens, like=x))
