"""How networks of others, which numbers are measured through, are read: strictly, whatever wrote their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..weights.files import open_checkpoint
from ..weights.strict import load_strictly

COUNTER = "num_batches_tracked"  # of batch normalisation in training; torch before 0.4.1 wrote none
Network = TypeVar("Network", bound=nn.Module)


def open_backbone(path: Path, first: str, what: str, advice: str) -> dict[str, Tensor]:
    """The tensors of a file. first: the key that tells its width. Raises InputError where it has none, or is no
    checkpoint."""
    tensors = open_checkpoint(path, advice).tensors
    if first not in tensors or not tensors[first].dim():
        raise InputError(f"{path} is no {what}: it has no {first}; {advice}.")
    return tensors


def load_backbone(network: Network, tensors: Mapping[str, Tensor], path: Path, number: str, advice: str) -> Network:
    """The network, built on ``meta``, with all tensors of its file, float32, for use only. number: what it measures.

    Raises InputError where one is missing, too many, or of another shape; counters of training steps alone may be
    missing, which nothing reads.
    """
    counters = {
        key: torch.zeros((), dtype=torch.long)
        for key in network.state_dict()
        if key.rpartition(".")[2] == COUNTER and key not in tensors
    }
    try:
        load_strictly(network, {**tensors, **counters}, str(path), torch.float32)
    except InputError as error:
        raise InputError(f"{number} cannot be measured ({error}); {advice}.") from error
    return network.eval().requires_grad_(False)
