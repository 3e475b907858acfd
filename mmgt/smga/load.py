"""Checkpoint -> SMGA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import ops as own_ops
from ..errors import InputError
from ..weights import catalog, signatures
from ..weights.catalog import advice
from ..weights.files import open_checkpoint
from ..weights.signatures import recognise, unwrapped
from ..weights.strict import check_heads, load_strictly, read_config
from .config import SMGAConfig
from .keys import from_authors
from .model import SMGA


def build_smga(
    tensors: Mapping[str, Tensor],
    num_heads: int = 8,
    source: str = "the state dict",
    ops: Any = own_ops,
    dtype: torch.dtype | None = torch.float32,
    target_offset: int = 0,
) -> SMGA:
    """SMGA, ready to sample, from a state dict in the authors' keys. Raises InputError if it is another model.

    dtype: of the network; None keeps what the tensors have, for layers that cast.
    """
    tensors = unwrapped(tensors)
    if recognise(tensors) != signatures.SMGA:
        raise InputError(f"{source} is {recognise(tensors)}, not an SMGA checkpoint; {advice(catalog.SMGA)}.")
    try:
        config = SMGAConfig.from_state_dict(tensors, num_heads, target_offset)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{source} is no complete SMGA checkpoint (its sizes cannot be read: {error}); {advice(catalog.SMGA)}."
        ) from error
    check_heads((config.width,), {"num_heads": num_heads}, source)
    model = SMGA(config, ops=ops, device="meta")
    load_strictly(model, from_authors(tensors), source, dtype)
    return model.eval().requires_grad_(False)


def load_smga(path: Path, ops: Any = own_ops, dtype: torch.dtype | None = torch.float32) -> SMGA:
    """SMGA from the authors' ``audio2pose_best_model.pt`` or a .safetensors with the same keys (on the CPU).

    What cannot be read from tensors is in the metadata's ``config`` (JSON): num_heads, else 8 as published, and
    target_offset, else 0. dtype: see ``build_smga``.
    """
    checkpoint = open_checkpoint(path, advice(catalog.SMGA))
    config = read_config(checkpoint)
    return build_smga(
        checkpoint.tensors, config["num_heads"], str(path), ops, dtype, int(config.get("target_offset", 0))
    )
