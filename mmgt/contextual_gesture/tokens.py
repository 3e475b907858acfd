"""Motion as tokens: a residual VQ-VAE for each part (paper section 3.2), without stride in time.

The code books are learned by vector-quantize-pytorch (``training/motion_tokens.py``); a trained file needs
lookups only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CHANNELS, Part, TokensConfig
from .layers import Convolutions

FRAMES_AT_ONCE = 2048  # distances to all codes of this many frames are held together: 8 MB


class Tokenizer(nn.Module):
    """Motion of one part [B, T, C] <-> tokens [B, T, L] int64: the codes of L code books whose sum is a frame's latent.

    mean, deviation [C]: of the motion that it was trained on. codebooks: [L, N, D].
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, part: Part, config: TokensConfig, ops: Any = nn, **kw: Any) -> None:
        super().__init__()
        self.config, channels, width = config, CHANNELS[part], config.latent_width
        self.register_buffer("mean", torch.zeros(channels, **kw))
        self.register_buffer("deviation", torch.ones(channels, **kw))
        self.encoder = Convolutions(channels, width, width, config.num_blocks, ops, **kw)
        self.decoder = Convolutions(width, width, channels, config.num_blocks, ops, **kw)
        self.codebooks = nn.Parameter(torch.zeros(config.num_layers, config.num_codes, width, **kw))

    def normalised(self, motion: Tensor) -> Tensor:
        return (motion - self.mean.to(motion)) / self.deviation.to(motion)

    def latents(self, motion: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, D], before quantisation."""
        return self.encoder(self.normalised(motion))

    def quantise(self, latents: Tensor) -> Tensor:
        """[..., D] -> tokens [..., L]: in every layer the code nearest to what the layers below have left."""
        codebooks, rows = self.codebooks.to(latents), latents.reshape(-1, latents.shape[-1])
        tokens = [self._nearest(codebooks, some) for some in rows.split(FRAMES_AT_ONCE)]
        return torch.cat(tokens).reshape(*latents.shape[:-1], -1)

    @staticmethod
    def _nearest(codebooks: Tensor, residual: Tensor) -> Tensor:
        tokens = []
        for codebook in codebooks:
            tokens.append(torch.cdist(residual, codebook).argmin(dim=-1))
            residual = residual - codebook[tokens[-1]]
        return torch.stack(tokens, dim=-1)

    def encode(self, motion: Tensor) -> Tensor:
        """[B, T, C] -> tokens [B, T, L]."""
        return self.quantise(self.latents(motion))

    def lookup(self, tokens: Tensor) -> Tensor:
        """Tokens [..., l] of the first l layers, 1 .. L -> the sum of their codes [..., D]."""
        return torch.stack(
            [F.embedding(layer, book) for layer, book in zip(tokens.unbind(-1), self.codebooks, strict=False)]
        ).sum(dim=0)

    def decode_latents(self, latents: Tensor) -> Tensor:
        """[B, T, D] -> motion [B, T, C]."""
        motion = self.decoder(latents)
        return motion * self.deviation.to(motion) + self.mean.to(motion)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, l] of the first l layers -> motion [B, T, C]."""
        return self.decode_latents(self.lookup(tokens))
