"""Spatial attention of the UNets, and MM-HAA: motion-masked hierarchical audio attention (paper section III-C).

What does not change over steps is computed once per video and handed in: the photo's keys and values and its CLIP
vector (``Reference``), the speech's keys and values (``AudioKeysValues``). Guidance rows: ``rows`` says of each whether
it has the photo and the speech; (False, True) is classifier-free guidance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..ops import Layers, weight_and_bias_of
from .blocks import NUM_GROUPS, Attention, FeedForward, to_frames, to_tokens, with_rows

Rows = tuple[bool, ...]  # of each guidance row: has it the photo and the speech?


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

    def attend_image(self, image_token: Tensor) -> Tensor:
        """Cross-attention to the one CLIP token [1, 1, D]: softmax over one key is 1, so it is constant: [1, 1, C]."""
        return self.attn2.to_out[0](self.attn2.to_v(image_token))

    def keys_values(self, features: Tensor, image_token: Tensor) -> Reference:
        """What ``forward`` attends to; features [1, n, C]: the reference UNet's norm1 output at this block's place."""
        no_image = self.attend_image(torch.zeros_like(image_token))
        return Reference(self.attn1.to_k(features), self.attn1.to_v(features), self.attend_image(image_token), no_image)

    def forward(self, tokens: Tensor, reference: Reference, num_frames: int, rows: Rows) -> Tensor:
        """tokens [(R F), n, C] -> [(rows F), n, C]. Only rows with the photo read it.

        R is the number of rows, or 1 where the rows have not differed yet: then they share queries, keys and values.
        """
        z = self.norm1(tokens)
        q, k, v = (
            rearrange(t, "(r f) n c -> r f n c", f=num_frames)
            for t in (self.attn1.to_q(z), self.attn1.to_k(z), self.attn1.to_v(z))
        )
        outputs = []
        for row, with_photo in enumerate(rows):
            row = min(row, len(q) - 1)
            keys, values, image = k[row], v[row], reference.no_image
            if with_photo:
                keys, values = (
                    torch.cat([own, photo.expand(num_frames, -1, -1)], dim=1)
                    for own, photo in ((keys, reference.keys), (values, reference.values))
                )
                image = reference.image
            outputs.append(self.attn1.to_out[0](self.attn1.mix(q[row], keys, values)).add_(image))
        attended = torch.cat(outputs)
        tokens = attended.add_(with_rows(tokens, like=attended))
        return self.ff(self.norm3(tokens)).add_(tokens)

    def write(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """The reference UNet's pass: returns the tokens and the features norm1(x) that ``keys_values`` takes."""
        features = self.norm1(tokens)
        tokens = tokens + self.attn1(features) + image
        return self.ff(self.norm3(tokens)).add_(tokens), features


class SpatialTransformer(nn.Module):
    """path: where it stands in its UNet, by which it finds its ``Reference``."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        image_channels: int,
        ops: Any,
        path: str = "",
        num_groups: int = NUM_GROUPS,
        **kw: Any,
    ) -> None:
        super().__init__()
        self.path = path
        self.norm = ops.GroupNorm(num_groups, width, eps=1e-6, **kw)
        self.proj_in = ops.Conv2d(width, width, 1, **kw)
        self.transformer_blocks = Layers([SpatialBlock(width, num_heads, image_channels, ops, **kw)])
        self.proj_out = ops.Conv2d(width, width, 1, **kw)

    @property
    def block(self) -> SpatialBlock:
        return self.transformer_blocks[0]

    def forward(self, x: Tensor, reference: Reference, num_frames: int, rows: Rows) -> Tensor:
        tokens = self.block(to_tokens(self.proj_in(self.norm(x))), reference, num_frames, rows)
        return with_rows(x, like=tokens) + self.proj_out(to_frames(tokens, like=x))

    def write(self, x: Tensor, image_token: Tensor) -> tuple[Tensor, Tensor]:
        tokens, features = self.block.write(to_tokens(self.proj_in(self.norm(x))), self.block.attend_image(image_token))
        return x + self.proj_out(to_frames(tokens, like=x)), features


@dataclass(frozen=True)
class AudioOutput:
    """Each branch's output projection and zero convolution fused into one linear map.

    weight [C, 3 C]: the three products side by side. masked_bias [3, C] is weighted by the masks, bias [3, C] is not.
    """

    weight: Tensor
    masked_bias: Tensor
    bias: Tensor


@dataclass(frozen=True)
class AudioKeysValues:
    """The speech of F frames as one audio module attends to it.

    keys, values: one [F, tokens, C] for each branch, or none where there is no speech.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    output: AudioOutput


class MaskedAudioBlock(nn.Module):
    """Self-attention, then audio attention in three branches (full, face, lips), each weighted by its motion mask."""

    def __init__(self, width: int, num_heads: int, audio_channels: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm1 = ops.LayerNorm(width, **kw)
        self.attn1 = Attention(width, num_heads, ops, **kw)
        self.norm2 = ops.LayerNorm(width, **kw)
        self.attn2_0 = Attention(width, num_heads, ops, memory_width=audio_channels, **kw)
        self.attn2_1 = Attention(width, num_heads, ops, memory_width=audio_channels, **kw)
        self.attn2_2 = Attention(width, num_heads, ops, memory_width=audio_channels, **kw)
        self.zero_conv_full = ops.Conv2d(width, width, 1, **kw)
        self.zero_conv_face = ops.Conv2d(width, width, 1, **kw)
        self.zero_conv_lip = ops.Conv2d(width, width, 1, **kw)
        self.norm3 = ops.LayerNorm(width, **kw)
        self.ff = FeedForward(width, ops, **kw)
        self.weight_and_bias = weight_and_bias_of(ops)

    def branches(self) -> tuple[tuple[Attention, nn.Conv2d], ...]:
        """Attention and zero convolution of each branch: full, face, lips."""
        return (
            (self.attn2_0, self.zero_conv_full),
            (self.attn2_1, self.zero_conv_face),
            (self.attn2_2, self.zero_conv_lip),
        )

    def fused_output(self, like: Tensor) -> AudioOutput:
        """Both linear maps behind each branch as one, in the dtype and on the device of ``like``.

        zero_conv(to_out(x)) = Wz Wo x + Wz bo + bz. Weights are read as the layers compute with them (LoRAs, casts).
        """
        products, masked_biases, biases = [], [], []
        for attention, zero_conv in self.branches():
            out_weight, out_bias = self.weight_and_bias(attention.to_out[0], like)
            zero_weight, zero_bias = self.weight_and_bias(zero_conv, like)
            assert out_bias is not None
            assert zero_bias is not None
            zero_weight = rearrange(zero_weight, "c inner 1 1 -> c inner")
            products.append(zero_weight @ out_weight)
            masked_biases.append(zero_weight @ out_bias)
            biases.append(zero_bias)
        return AudioOutput(torch.cat(products, dim=1), torch.stack(masked_biases), torch.stack(biases))

    def keys_values(self, audio_tokens: Tensor | None, output: AudioOutput) -> AudioKeysValues:
        """What ``forward`` attends to: audio_tokens [F, tokens, D], or None for no speech."""
        if audio_tokens is None:
            return AudioKeysValues((), (), output)
        return AudioKeysValues(
            keys=tuple(attention.to_k(audio_tokens) for attention, _ in self.branches()),
            values=tuple(attention.to_v(audio_tokens) for attention, _ in self.branches()),
            output=output,
        )

    def forward(self, tokens: Tensor, audio: AudioKeysValues, masks: Tensor, strengths: Tensor, rows: Rows) -> Tensor:
        """tokens [(rows F), n, C]; masks [3, F, n]; strengths [3].

        A row without speech attends to zeros: keys and values vanish and only the biases remain.
        """
        num_frames, output = masks.shape[1], audio.output
        tokens = self.attn1(self.norm1(tokens)).add_(tokens)
        weights = masks[..., None] * strengths[:, None, None, None]  # [3, F, n, 1]
        biases = torch.einsum("kfno,kc->fnc", weights, output.masked_bias) + strengths @ output.bias  # [F, n, C]
        attended = [biases] * len(rows)
        for row, with_speech in enumerate(rows):
            if with_speech and audio.keys:
                z = self.norm2(tokens[row * num_frames : (row + 1) * num_frames])
                branches = [
                    attention.mix(attention.to_q(z), keys, values) * weight
                    for (attention, _), keys, values, weight in zip(
                        self.branches(), audio.keys, audio.values, weights, strict=True
                    )
                ]
                attended[row] = biases + F.linear(torch.cat(branches, dim=-1), output.weight)
        tokens = torch.cat(attended).add_(tokens)
        return self.ff(self.norm3(tokens)).add_(tokens)


class AudioModule(nn.Module):
    """MM-HAA at one place of the down path, its ``path``, by which it finds its keys and values.

    inner_width: the width that entered the layer, which may be smaller.
    """

    def __init__(
        self,
        width: int,
        inner_width: int,
        num_heads: int,
        audio_channels: int,
        ops: Any = nn,
        path: str = "",
        num_groups: int = NUM_GROUPS,
        **kw: Any,
    ) -> None:
        super().__init__()
        self.path = path
        self.norm = ops.GroupNorm(num_groups, width, eps=1e-6, **kw)
        self.proj_in = ops.Conv2d(width, inner_width, 1, **kw)
        self.transformer_blocks = Layers([MaskedAudioBlock(inner_width, num_heads, audio_channels, ops, **kw)])
        self.proj_out = ops.Conv2d(inner_width, width, 1, **kw)

    @property
    def block(self) -> MaskedAudioBlock:
        return self.transformer_blocks[0]

    def forward(self, x: Tensor, audio: AudioKeysValues, masks: Tensor, strengths: Tensor, rows: Rows) -> Tensor:
        tokens = self.block(to_tokens(self.proj_in(self.norm(x))), audio, masks, strengths, rows)
        return x + self.proj_out(to_frames(tokens, like=x))
