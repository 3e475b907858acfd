"""Checkpoint -> Contextual Gesture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from .. import ops as own_ops
from ..errors import InputError
from ..weights import catalog, signatures
from ..weights.catalog import advice
from ..weights.files import Checkpoint, open_checkpoint
from ..weights.signatures import recognise, unwrapped
from ..weights.strict import load_strictly
from .alignment import Alignment
from .config import PARTS, AlignmentConfig, ContextualGestureConfig, TokensConfig
from .model import ContextualGesture
from .tokens import Tokenizer

ADVICE = advice(catalog.CONTEXTUAL_GESTURE)


def load_contextual_gesture(
    path: Path, ops: Any = own_ops, dtype: torch.dtype | None = torch.float32
) -> ContextualGesture:
    """What `mmgt train gestures` wrote, on the CPU, ready to sample. dtype: None keeps what the tensors have.

    Raises InputError for another file.
    """
    checkpoint, sizes = _opened(path, signatures.CONTEXTUAL_GESTURE)
    try:
        config = ContextualGestureConfig.from_dict(sizes)
    except (KeyError, TypeError) as error:
        raise _no_sizes(path, error) from error
    network = ContextualGesture(config, ops=ops, device="meta")
    load_strictly(network, unwrapped(checkpoint.tensors), str(path), dtype)
    return network.eval().requires_grad_(False)


def load_alignment(path: Path) -> Alignment:
    """What `mmgt train alignment` wrote, frozen. Raises InputError for another file."""
    checkpoint, sizes = _opened(path, signatures.GESTURE_ALIGNMENT)
    try:
        network = Alignment(AlignmentConfig(**sizes), device="meta")
    except TypeError as error:
        raise _no_sizes(path, error) from error
    load_strictly(network, checkpoint.tensors, str(path), torch.float32)
    return network.eval().requires_grad_(False)


def load_tokenizers(path: Path) -> torch.nn.ModuleDict:
    """What `mmgt train tokens` wrote: a ``Tokenizer`` for each part, frozen. Raises InputError for another file."""
    checkpoint, sizes = _opened(path, signatures.GESTURE_TOKENS)
    try:
        config = TokensConfig(**sizes)
        network = torch.nn.ModuleDict({part: Tokenizer(part, config, device="meta") for part in PARTS})
    except TypeError as error:
        raise _no_sizes(path, error) from error
    load_strictly(network, checkpoint.tensors, str(path), torch.float32)
    return network.eval().requires_grad_(False)


def _opened(path: Path, kind: str) -> tuple[Checkpoint, dict[str, Any]]:
    """A file of one kind, and the sizes that its metadata says."""
    checkpoint = open_checkpoint(path, ADVICE)
    found = recognise(checkpoint.tensors)
    if found != kind:
        raise InputError(f"{path} is {found}, not {kind}; {ADVICE}.")
    try:
        sizes = json.loads(checkpoint.metadata["config"])
    except (KeyError, ValueError) as error:
        raise _no_sizes(path, error) from error
    if not isinstance(sizes, Mapping):
        raise _no_sizes(path, TypeError("no JSON object"))
    return checkpoint, dict(sizes)


def _no_sizes(path: Path, error: Exception) -> InputError:
    return InputError(f"the metadata of {path} does not say the network's sizes ({error}); {ADVICE}.")
