"""Strict loading: every tensor of a checkpoint must fit its network, and an error says which do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .files import Checkpoint, config_of

_FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
PUBLISHED_NUMBERS = {"num_heads": 8, "motion_heads": 8, "num_groups": 32}  # that no tensor shows


def load_strictly(
    module: nn.Module, state_dict: Mapping[str, Tensor], source: str, dtype: torch.dtype | None = None
) -> None:
    """Give a module that was built on ``meta`` its tensors; every key and shape must fit.

    dtype: of all floating point tensors. None keeps theirs, for layers that cast (ComfyUI's); only float8 outside of
    matrix products becomes float32, because nothing computes in it.
    Raises InputError with the first missing, unexpected and misshapen keys.
    """
    problems = listed_misfits(misfits(module.state_dict(), state_dict))
    if problems:
        raise InputError(
            f"{source} does not fit {type(module).__name__}: tensors {problems}. "
            "Use the file as its authors published it."
        )
    module.load_state_dict(_computable(module, state_dict, dtype), strict=True, assign=True)


def misfits(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Keys that are "missing", "unexpected" and "of another shape", these with both shapes."""
    return {
        "missing": [key for key in wanted if key not in tensors],
        "unexpected": [key for key in tensors if key not in wanted],
        "of another shape": [
            f"{key} {list(tensors[key].shape)} instead of {list(wanted[key].shape)}"
            for key in wanted
            if key in tensors and tensors[key].shape != wanted[key].shape
        ],
    }


def listed_misfits(keys_of_kind: Mapping[str, list[str]]) -> str:
    """How many there are of each kind, and the first three; empty where there is none."""
    return "; ".join(
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for kind, keys in keys_of_kind.items()
        if keys
    )


def _computable(module: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    if dtype is not None:
        return {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    products = (nn.Linear, nn.Conv1d, nn.Conv2d)
    cast_by_layer = {f"{path}.weight" for path, layer in module.named_modules() if isinstance(layer, products)}
    return {
        key: tensor.float() if tensor.dtype in _FLOAT8 and key not in cast_by_layer else tensor
        for key, tensor in tensors.items()
    }


def read_config(checkpoint: Checkpoint, given: Mapping[str, int] = {}) -> dict[str, Any]:
    """What a file says of its network beside the tensors (metadata ``config``, JSON), and the published numbers else.

    given: what overrides the file. Raises InputError if that is no JSON object, or for less than 1 head or group.
    """
    config = {**PUBLISHED_NUMBERS, **config_of(checkpoint), **given}
    try:
        numbers = {name: int(config[name]) for name in PUBLISHED_NUMBERS}
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"the config in {checkpoint.path}'s metadata is {str(config)[:60]}; it must be a JSON object with whole "
            f"numbers for {' and '.join(PUBLISHED_NUMBERS)}."
        ) from error
    if min(numbers.values()) < 1:
        raise InputError(
            f"{checkpoint.path} should have {numbers}, but a network has 1 head and 1 group or more; give that number."
        )
    return {**config, **numbers}


def check_heads(widths: Sequence[int], heads: Mapping[str, int], source: str) -> None:
    """Raise InputError unless every number of heads divides every width."""
    for name, number in heads.items():
        kind = name.split("_")[1]  # heads or groups
        if any(width % number for width in widths):
            raise InputError(
                f"{source} is {' and '.join(map(str, sorted(set(widths))))} wide, which {number} {kind} do not divide; "
                f"its metadata must say the right {name}: `mmgt weights convert --{name.replace('_', '-')} N`."
            )
