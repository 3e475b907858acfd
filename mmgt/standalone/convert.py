"""Torch checkpoints -> safetensors: the network alone, and in the metadata where it comes from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..errors import InputError
from ..media import check_output, unfinished_file
from ..mmhaa.load import build_mmhaa, numbers_of
from ..smga.load import build_smga
from ..weights import signatures
from ..weights.files import Checkpoint, Progress, config_of, human_size, open_checkpoint, sha256_of
from ..weights.signatures import recognise, unwrapped
from ..weights.strict import read_config


def convert_file(
    source: Path,
    out: Path | None = None,
    dtype: torch.dtype | None = None,
    heads: Mapping[str, int] = {},
    progress: Progress | None = None,
    notes: Mapping[str, str] = {},
) -> Path:
    """Write the network of a checkpoint as safetensors, in the authors' keys without a ``module.`` prefix.

    out: the new file; by default beside the source, with the suffix .safetensors. dtype: of all floating point
    tensors; None keeps each tensor's. heads: num_heads, motion_heads of an SMGA or a video network where they are not
    the published 8. progress(step, total): bytes read for the checksum. notes: further metadata (licence, how it was
    trained).
    The metadata says format, kind, source, source_sha256 and config (JSON). The file appears under its name when it is
    complete. Returns that name. Raises InputError if the source is no network, if ``out`` exists, or if a number does
    not fit the dtype.
    """
    own = {"format", "kind", "source", "source_sha256", "config", "converted_by"}
    if taken := own & notes.keys():
        raise InputError(
            f"{', '.join(sorted(taken))} of a file's metadata is written by itself; name the note otherwise."
        )
    out = source.with_suffix(".safetensors") if out is None else out
    if out.suffix != ".safetensors":
        raise InputError(f"{out} does not end in .safetensors; readers go by that suffix, so choose another name.")
    check_output(out)
    checkpoint = open_checkpoint(source, "give a checkpoint to convert")
    tensors, kind = unwrapped(checkpoint.tensors), recognise(checkpoint.tensors)
    if kind in (signatures.EMPTY, signatures.OPTIMIZER):
        raise InputError(f"{source} is {kind}; give the checkpoint that holds the network.")
    config = _checked_config(checkpoint, tensors, kind, heads)
    tensors = {key: _as_dtype(key, tensor, dtype) for key, tensor in tensors.items()}
    _check_space(out, sum(tensor.nbytes for tensor in tensors.values()))
    metadata = {
        "format": "pt",
        "kind": kind,
        "source": source.name,
        "source_sha256": sha256_of(source, progress),
        "config": json.dumps(config),
        "converted_by": f"mmgt {__version__}",
        **notes,
    }
    _write(out, _unshared(tensors), metadata, source)
    return out


def _checked_config(
    checkpoint: Checkpoint, tensors: Mapping[str, Tensor], kind: str, heads: Mapping[str, int]
) -> dict[str, Any]:
    """The config for the metadata; an SMGA or a video network must be complete."""
    if kind not in (signatures.SMGA, signatures.MMHAA):
        if heads:
            raise InputError(f"{checkpoint.path} is {kind}; numbers of heads are for SMGA and the video network only.")
        return config_of(checkpoint)
    config = read_config(checkpoint, heads)
    shapes = {key: tensor.to("meta") for key, tensor in tensors.items()}
    if kind == signatures.SMGA:
        build_smga(shapes, config["num_heads"], str(checkpoint.path))
        del config["motion_heads"], config["num_groups"]
    else:
        build_mmhaa(shapes, **numbers_of(config), source=str(checkpoint.path))
    return config


def _as_dtype(key: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is None or not tensor.is_floating_point():
        return tensor.detach()
    cast = tensor.detach().to(dtype)
    if cast.isfinite().all() or not tensor.isfinite().all():
        return cast
    limit = f"{torch.finfo(dtype).max:.3g}"
    raise InputError(f"{key} reaches {tensor.abs().max():.3g}, more than {limit}; take bf16, or keep the dtypes.")


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors, no two of them on the same memory: safetensors stores each on its own."""
    seen: set[int] = set()
    own = {}
    for key, tensor in tensors.items():
        is_shared = tensor.untyped_storage().data_ptr() in seen
        seen.add(tensor.untyped_storage().data_ptr())
        own[key] = tensor.clone() if is_shared else tensor.contiguous()
    return own


def _check_space(out: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(out.parent).free
    if needed_bytes > free_bytes:
        raise InputError(
            f"{out} will have {human_size(needed_bytes)}, but its disk has only {human_size(free_bytes)} left; choose "
            "another folder with --out."
        )


def _write(out: Path, tensors: dict[str, Tensor], metadata: dict[str, str], source: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with unfinished_file(out) as unfinished:
        try:
            save_file(tensors, unfinished, metadata=metadata)
        except SafetensorError as error:
            raise InputError(f"{out} could not be written ({error}); nothing is left of it.") from error
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        shutil.copymode(source, unfinished)  # newer safetensors let only the owner read
