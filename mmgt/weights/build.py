"""Checkpoints -> networks: every tensor must fit, and what a wrong file is gets said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .. import ops as layers
from ..errors import InputError
from . import catalog, signatures
from .catalog import advice
from .files import Checkpoint, open_checkpoint
from .signatures import recognise, unwrapped

if TYPE_CHECKING:
    from ..mmhaa.network import MMHAA
    from ..smga.model import SMGA

_FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


def load_strictly(
    module: nn.Module, state_dict: Mapping[str, Tensor], source: str, dtype: torch.dtype | None = None
) -> None:
    """Give a module that was built on ``meta`` its tensors; every key and shape must fit.

    dtype: of all floating point tensors; None keeps theirs, but for float8 where no layer casts it: that becomes
    float32, because torch's own layers do not compute in it.
    Raises InputError with the first missing, unexpected and misshapen keys.
    """
    wanted = module.state_dict()
    missing = [key for key in wanted if key not in state_dict]
    unexpected = [key for key in state_dict if key not in wanted]
    misshapen = [
        f"{key} {list(state_dict[key].shape)} instead of {list(wanted[key].shape)}"
        for key in wanted
        if key in state_dict and state_dict[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if keys
    ]
    if problems:
        raise InputError(
            f"{source} does not fit {type(module).__name__}: tensors {'; '.join(problems)}. "
            "Use the file as its authors published it."
        )
    module.load_state_dict(_computable(module, state_dict, dtype), strict=True, assign=True)


def _computable(module: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    if dtype is not None:
        return {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    casting = {
        f"{path}.weight"
        for path, layer in module.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)) and not _is_plain(layer)
    }
    return {
        key: tensor.float() if tensor.dtype in _FLOAT8 and key not in casting else tensor
        for key, tensor in tensors.items()
    }


def _is_plain(layer: nn.Module) -> bool:
    """Whether it computes in the dtype of its weights (ComfyUI's layers cast them)."""
    return type(layer).__module__ == layers.__name__ or type(layer).__module__.startswith("torch.")


def build_mmhaa(
    tensors: Mapping[str, Tensor],
    num_heads: int = 8,
    motion_heads: int = 8,
    source: str = "the state dict",
    ops: Any = layers,
    dtype: torch.dtype | None = None,
) -> MMHAA:
    """Stage II's networks from a state dict in the authors' keys. Raises InputError if it is another model.

    dtype: of the networks; None is float32 with torch's own layers, and what the tensors have with layers that cast.
    """
    from ..mmhaa.network import PREFIXES, build_networks, network_states

    tensors = unwrapped(tensors)
    if recognise(tensors) != signatures.MMHAA:
        raise InputError(
            f"{source} is {recognise(tensors)}, not the MMGT video network, which holds {', '.join(PREFIXES)} in one "
            f"file; {advice(catalog.MMHAA)}."
        )
    try:
        networks = build_networks(tensors, num_heads, motion_heads, ops)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{source} is no complete MMGT video network (its sizes cannot be read: {error}); {advice(catalog.MMHAA)}."
        ) from error
    _check_heads(networks.video_network.config.widths, {"num_heads": num_heads, "motion_heads": motion_heads}, source)
    for module, state in zip((networks.reference_unet, networks.video_network), network_states(tensors), strict=True):
        load_strictly(module, state, source, _dtype(ops, dtype))
        module.eval().requires_grad_(False)
    return networks


def load_mmhaa(path: Path, ops: Any = layers, dtype: torch.dtype | None = None) -> MMHAA:
    """Stage II's networks from the authors' ``net-32500.pth`` or a .safetensors with the same keys (on the CPU).

    Numbers of heads cannot be read from tensors: 8 as published, unless the metadata's ``config`` (JSON) says
    otherwise (``num_heads``, ``motion_heads``). dtype: see ``build_mmhaa``.
    """
    checkpoint = open_checkpoint(path, advice(catalog.MMHAA))
    config = read_config(checkpoint)
    return build_mmhaa(checkpoint.tensors, config["num_heads"], config["motion_heads"], str(path), ops, dtype)


def build_smga(
    tensors: Mapping[str, Tensor],
    num_heads: int = 8,
    source: str = "the state dict",
    ops: Any = layers,
    dtype: torch.dtype | None = None,
) -> SMGA:
    """SMGA, ready to sample, from a state dict in the authors' keys. Raises InputError if it is another model.

    dtype: of the network; None is float32 with torch's own layers, and what the tensors have with layers that cast.
    """
    from ..smga.config import SMGAConfig
    from ..smga.keys import from_authors
    from ..smga.model import SMGA

    tensors = unwrapped(tensors)
    if recognise(tensors) != signatures.SMGA:
        raise InputError(f"{source} is {recognise(tensors)}, not an SMGA checkpoint; {advice(catalog.SMGA)}.")
    try:
        config = SMGAConfig.from_state_dict(tensors, num_heads)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{source} is no complete SMGA checkpoint (its sizes cannot be read: {error}); {advice(catalog.SMGA)}."
        ) from error
    _check_heads((config.width,), {"num_heads": num_heads}, source)
    model = SMGA(config, ops=ops, device="meta")
    load_strictly(model, from_authors(tensors), source, _dtype(ops, dtype))
    return model.eval().requires_grad_(False)


def load_smga(path: Path, ops: Any = layers, dtype: torch.dtype | None = None) -> SMGA:
    """SMGA from the authors' ``audio2pose_best_model.pt`` or a .safetensors with the same keys (on the CPU).

    The number of heads cannot be read from tensors: 8 as published, unless the metadata's ``config`` (JSON) says
    otherwise. dtype: see ``build_smga``.
    """
    checkpoint = open_checkpoint(path, advice(catalog.SMGA))
    return build_smga(checkpoint.tensors, read_config(checkpoint)["num_heads"], str(path), ops, dtype)


PUBLISHED_HEADS = {"num_heads": 8, "motion_heads": 8}


def read_config(checkpoint: Checkpoint, given: Mapping[str, int] = {}) -> dict[str, Any]:
    """What a file says of its network beside the tensors (metadata ``config``, JSON), and the published heads else.

    given: what overrides the file. Raises InputError if that is no JSON object, or if a number of heads is none.
    """
    text = checkpoint.metadata.get("config", "{}")
    try:
        config = {**PUBLISHED_HEADS, **json.loads(text), **given}
        heads = {name: int(config[name]) for name in PUBLISHED_HEADS}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the config in {checkpoint.path}'s metadata is {text[:60]!r}; it must be a JSON object with whole numbers "
            f"for {' and '.join(PUBLISHED_HEADS)}."
        ) from error
    if min(heads.values()) < 1:
        raise InputError(f"{checkpoint.path} should have {heads}, but a network has 1 head or more; give that number.")
    return {**config, **heads}


def _check_heads(widths: Sequence[int], heads: Mapping[str, int], source: str) -> None:
    for name, number in heads.items():
        if any(width % number for width in widths):
            raise InputError(
                f"{source} is {' and '.join(map(str, sorted(set(widths))))} wide, which {number} heads do not divide; "
                f"its metadata must say the right {name}: `mmgt weights convert --{name.replace('_', '-')} N`."
            )


def _dtype(ops: Any, dtype: torch.dtype | None) -> torch.dtype | None:
    """Torch's own layers compute in one dtype only, and a published file may mix two."""
    return torch.float32 if dtype is None and ops in (nn, layers) else dtype
