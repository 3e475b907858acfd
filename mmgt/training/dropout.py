"""Dropout while SMGA learns; the network itself, as it is sampled, has none."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..smga.model import SMGA
from ..transformer import Attention, FeedForward


def add_dropout(network: SMGA, rate: float) -> None:
    """Drop what attentions and feed-forwards add, and the feed-forwards' hidden values, while ``network`` is training.

    The authors' 0.1, but for the attention weights, which fused attention does not show. Draws come from torch's global
    generator: seed it for each step.
    """
    if not rate:
        return

    def drop(layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return F.dropout(output, rate, training=layer.training)

    for layer in network.modules():
        if isinstance(layer, Attention):
            layer.output.register_forward_hook(drop)
        elif isinstance(layer, FeedForward):
            layer.expand.register_forward_hook(drop)  # GELU(0) = 0, so that hidden values are dropped by it
            layer.contract.register_forward_hook(drop)
