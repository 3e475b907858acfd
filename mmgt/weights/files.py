"""Checkpoint files: read them without running what is in them, and say readably what is wrong with one."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .signatures import unwrapped

Progress = Callable[[int, int], None]  # step, total

HEAD_BYTES = 512
CHUNK_BYTES = 2**22
CHECKPOINT_SUFFIXES = (".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt")

# How Hugging Face names the weights in a model's folder, best first.
FOLDER_FILES = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
)

# Which dict of a training checkpoint holds the network, the first that is there.
_NETWORK_KEYS = ("ema_state_dict", "model_state_dict", "state_dict", "model")
# Where a torch file may hold the sizes and numbers that tensors do not show (fairseq's WavLM: cfg).
_CONFIG_KEYS = ("config", "cfg")


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    tensors: by key, as in the file; from a training checkpoint those of its network (EMA weights where there are
    any). metadata: of a safetensors file; of a torch file its config as JSON under "config", if it has one. part: the
    key of the dict that was taken from a training checkpoint, "" for a plain one.
    """

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    part: str = ""


def open_checkpoint(path: Path, wanted: str) -> Checkpoint:
    """Read a safetensors or a torch file (``weights_only=True``: no code in it is run), whatever its suffix says.

    wanted: what the caller is looking for, for the error's next step. Tensors stay in the file until they are used
    (a torch file in the format before torch 1.6 is read whole). Raises InputError for a missing, empty, truncated or
    foreign file.
    """
    head = check_file(path, wanted)
    try:
        if _begins_safetensors(head):
            return _open_safetensors(path)
        if head.startswith(b"PK\x03\x04") or (head[0] == 0x80 and len(head) > 1 and head[1] <= 5):
            return _open_torch(path)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is a pickle that holds more than tensors, or no checkpoint at all; it was not opened "
            f"because such files can run code. {wanted[:1].upper()}{wanted[1:]}."
        ) from error
    except Exception as error:  # on foreign bytes torch's unpickler raises whatever its last opcode led to
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise InputError(
            f"{path} cannot be read as a checkpoint ({reason}); it may be truncated. Download it again: {wanted}."
        ) from error
    raise InputError(
        f"{path} cannot be read as a checkpoint: it begins with {head[:12]!r}, as neither safetensors nor torch files "
        f"do. Download it again: {wanted}."
    )


def check_file(path: Path, wanted: str) -> bytes:
    """The first bytes of a file that could be a model. Raises InputError for what is none, whatever its name."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file; {wanted}.")
    if not path.is_file():
        raise InputError(f"there is no file {path}; {wanted}.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{path} is empty (0 bytes); download it again: {wanted}.")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(
            f"{path} is a git-lfs pointer of {len(head)} bytes, not the weights; run `git lfs pull` or "
            f"download the file itself: {wanted}."
        )
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{path} is a web page, not weights; download the file itself: {wanted}.")
    return head


def _begins_safetensors(head: bytes) -> bool:
    """Eight bytes with the length of the header (at most 100 MB), then the header, which is JSON."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000


def _open_safetensors(path: Path) -> Checkpoint:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        return Checkpoint(path, unwrapped(tensors), dict(file.metadata() or {}))


def _open_torch(path: Path) -> Checkpoint:
    is_zip = zipfile.is_zipfile(path)
    if is_zip and _is_torchscript(path):  # before 2.6 torch opens those with another reader
        raise ValueError("a TorchScript program, not tensors")
    if path.suffix == ".safetensors":  # newer torch goes by that suffix, unless it is given an open file
        with path.open("rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    else:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    if not isinstance(content, Mapping):
        raise ValueError(f"a {type(content).__name__} instead of named tensors")
    config = next((content[key] for key in _CONFIG_KEYS if isinstance(content.get(key), Mapping)), None)
    metadata = {} if config is None else {"config": json.dumps(dict(config), default=str, skipkeys=True)}
    parts: list[str] = []
    while part := next((key for key in _NETWORK_KEYS if isinstance(content.get(key), Mapping) and content[key]), ""):
        content = content[part]
        parts.append(part)
    return Checkpoint(path, unwrapped(dict(_named_tensors(content))), metadata, ".".join(parts))


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _named_tensors(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of nested dicts, their keys joined by dots."""
    for key, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _named_tensors(value, f"{prefix}{key}.")


def weights_file(path: Path) -> Path:
    """The file itself, or the weights in a model's folder as Hugging Face lays it out."""
    if not path.is_dir():
        return path
    return next((path / name for name in FOLDER_FILES if (path / name).is_file()), path / FOLDER_FILES[0])


def config_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The metadata's ``config``, an object of JSON; empty where there is none. Raises InputError for anything else."""
    return _json_object(checkpoint.metadata.get("config", "{}"), f"the config in {checkpoint.path}'s metadata")


def config_number(checkpoint: Checkpoint, config: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """A whole number of 1 and more of a config; otherwise where it has none. Raises InputError for anything else."""
    value = config.get(name)
    if value is None:
        return otherwise
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(
            f"the config of {checkpoint.path} says {name} is {str(value)[:60]!r}; it must be a whole number from 1 on."
        )
    return value


def _json_object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is {text[:60]!r}; it must be a JSON object of names and numbers.") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} is {text[:60]!r}; it must be a JSON object of names and numbers.")
    return value


def published_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """What tensors cannot show: ``config`` (JSON) in the file's metadata, else config.json of the model's folder."""
    beside = checkpoint.path.with_name("config.json")
    if "config" not in checkpoint.metadata and checkpoint.path.name in FOLDER_FILES and beside.is_file():
        return _json_object(beside.read_text(encoding="utf-8", errors="replace"), str(beside))
    return config_of(checkpoint)


def human_size(num_bytes: float) -> str:
    """As a file manager shows it: 217 MB, 7.49 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes:.0f} bytes"


def sha256_of(path: Path, progress: Progress | None = None) -> str:
    """The checksum of a file, in hexadecimal. progress(step, total) in bytes."""
    digest, total, done = hashlib.sha256(), path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()
