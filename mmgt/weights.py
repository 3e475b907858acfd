"""Checkpoint files: open safely, recognise, load strictly, and say readably what is wrong."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .errors import InputError

if TYPE_CHECKING:
    from .mmhaa.network import MMHAA

SMGA_FILE = "audio2pose_best_model.pt"
MMHAA_FILE = "net-32500.pth"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a file by key, and its safetensors metadata ({} for a torch file)."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def open_checkpoint(path: Path, wanted: str) -> Checkpoint:
    """Read a .safetensors or a torch file (``weights_only=True``: no code in it is run).

    wanted: what the caller is looking for, for the error's next step. From a training checkpoint the EMA weights are
    taken. Raises InputError for a missing, empty, truncated or foreign file.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}; {wanted}.")
    head = path.open("rb").read(512)
    if not head:
        raise InputError(f"{path} is empty (0 bytes); download it again: {wanted}.")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(
            f"{path} is a git-lfs pointer of {len(head)} bytes, not the weights; run `git lfs pull` or "
            f"download the file itself: {wanted}."
        )
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise InputError(f"{path} is a web page, not weights; download the file itself: {wanted}.")
    try:
        return _open_safetensors(path) if path.suffix in (".safetensors", ".sft") else _open_torch(path)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is a pickle that holds more than tensors, or no checkpoint at all; it was not opened "
            f"because such files can run code. {wanted.capitalize()}."
        ) from error
    except Exception as error:  # on foreign bytes torch's unpickler raises whatever its last opcode led to
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise InputError(
            f"{path} cannot be read as a checkpoint ({reason}); it may be truncated. Download it again: {wanted}."
        ) from error


def _open_safetensors(path: Path) -> Checkpoint:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return Checkpoint(path, {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {}))


def _open_torch(path: Path) -> Checkpoint:
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    for key in ("ema_state_dict", "model_state_dict", "state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping):
        raise ValueError(f"a {type(content).__name__} instead of named tensors")
    return Checkpoint(path, {str(k): v for k, v in content.items() if isinstance(v, Tensor)}, {})


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


# Keys that only one kind of checkpoint has; the first match names the file.
_SIGNATURES = (
    ("seqTransDecoder.stack.0.face_self_attn.out_proj.weight", "MMGT SMGA (stage I)"),
    ("seqTransDecoder.stack.0.self_attn.in_proj_weight", "an EDGE or S2G-MDDiffusion gesture model"),
    ("imageproj.proj.weight", "Hallo's net.pth"),
    ("denoising_unet.conv_in.weight", "the MMGT video network (net-*.pth, stage II)"),
    ("model.diffusion_model.input_blocks.0.0.weight", "a Stable Diffusion checkpoint"),
    ("conditioner.embedders.0.transformer.text_model.embeddings.position_ids", "an SDXL checkpoint"),
    ("add_embedding.linear_1.weight", "an SDXL UNet"),
    ("encoder.layers.0.self_attn.grep_linear.weight", "WavLM (WavLM-Large.pt)"),
    ("wavlm.encoder.layer_norm.weight", "WavLM (Hugging Face)"),
    ("wav2vec2.feature_projection.projection.weight", "wav2vec2"),
    ("decoder.conv_in.weight", "a VAE"),
    ("vision_model.embeddings.class_embedding", "a CLIP image encoder"),
    ("blocks.0.weight", "a pose guider or face locator alone (Moore-AnimateAnyone, EchoMimic)"),
)
_CROSS_ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
_MOTION = "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"
WHISPER_TINY_WIDTH = 384  # what EchoMimic's UNet attends to


def recognise(tensors: Mapping[str, Tensor]) -> str:
    """What a checkpoint is, in words, from its keys."""
    tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    for signature, name in _SIGNATURES:
        if signature in tensors:
            return name
    if _CROSS_ATTENTION in tensors:
        return _recognise_unet(tensors)
    if _MOTION in tensors:
        return "an AnimateDiff or Moore-AnimateAnyone motion module alone"
    if any(".lora_" in key or "lora_down" in key for key in tensors):
        return "a LoRA"
    if not tensors:
        return "a file without tensors"
    return f"an unknown model of {len(tensors)} tensors (first: {min(tensors)})"


def _recognise_unet(tensors: Mapping[str, Tensor]) -> str:
    """Which of the UNets in diffusers' names of SD-1.5 this is; some of them have the very same keys."""
    if tensors[_CROSS_ATTENTION].shape[1] == WHISPER_TINY_WIDTH:
        return "EchoMimic's denoising UNet"
    if "conv_out.weight" not in tensors:
        return "a reference UNet alone (Moore-AnimateAnyone, EchoMimic, or MMGT's first training process)"
    if _MOTION in tensors:
        return "a denoising UNet with motion modules alone (Moore-AnimateAnyone, AnimateDiff)"
    return (
        "a Stable Diffusion 1.5 UNet in diffusers' layout (Moore-AnimateAnyone's denoising_unet.pth has the same keys)"
    )


def load_strictly(module: nn.Module, state_dict: Mapping[str, Tensor], source: str) -> None:
    """Give a module that was built on ``meta`` its tensors; every key and shape must fit.

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
    module.load_state_dict(dict(state_dict), strict=True, assign=True)


def build_mmhaa(
    tensors: Mapping[str, Tensor],
    num_heads: int = 8,
    motion_heads: int = 8,
    source: str = "the state dict",
    ops: Any = nn,
) -> MMHAA:
    """Stage II's networks from a state dict in the authors' keys. Raises InputError if it is another model."""
    from .mmhaa.network import PREFIXES, build_networks, network_states

    tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    if not all(any(key.startswith(f"{prefix}.") for key in tensors) for prefix in PREFIXES):
        raise InputError(
            f"{source} is {recognise(tensors)}, not the MMGT video network, which holds {', '.join(PREFIXES)} in one "
            f"file; take the authors' {MMHAA_FILE}."
        )
    try:
        networks = build_networks(tensors, num_heads, motion_heads, ops)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{source} is no complete MMGT video network (its sizes cannot be read: {error}); take the authors' "
            f"{MMHAA_FILE} as published."
        ) from error
    for module, state in zip((networks.reference_unet, networks.video_network), network_states(tensors), strict=True):
        load_strictly(module, state, source)
        module.eval().requires_grad_(False)
    return networks


def load_mmhaa(path: Path, ops: Any = nn) -> MMHAA:
    """Stage II's networks from the authors' ``net-32500.pth`` or a .safetensors with the same keys (on the CPU).

    Numbers of heads cannot be read from tensors: 8 as published, unless the metadata's ``config`` (JSON) says
    otherwise (``num_heads``, ``motion_heads``).
    """
    checkpoint = open_checkpoint(path, f"put the authors' {MMHAA_FILE} into models/mmgt")
    config = json.loads(checkpoint.metadata.get("config", "{}"))
    heads = int(config.get("num_heads", 8)), int(config.get("motion_heads", 8))
    return build_mmhaa(checkpoint.tensors, *heads, str(path), ops)


def build_smga(tensors: Mapping[str, Tensor], num_heads: int = 8, source: str = "the state dict", ops: Any = nn) -> Any:
    """SMGA, ready to sample, from a state dict in the authors' keys. Raises InputError if it is another model."""
    from .smga.config import SMGAConfig
    from .smga.keys import from_authors
    from .smga.model import SMGA

    tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    if _SIGNATURES[0][0] not in tensors:
        raise InputError(
            f"{source} is {recognise(tensors)}, not an SMGA checkpoint; take the authors' "
            f"stage_1/{SMGA_FILE}, or use Rhythm Audio2Pose, which needs no weights."
        )
    config = SMGAConfig.from_state_dict(tensors, num_heads)
    if config.width % num_heads:
        raise InputError(
            f"{source} is {config.width} wide, which {num_heads} heads do not divide; write its num_heads "
            "into the safetensors metadata."
        )
    model = SMGA(config, ops=ops, device="meta")
    load_strictly(model, from_authors(tensors), source)
    return model.eval().requires_grad_(False)


def load_smga(path: Path, ops: Any = nn) -> Any:
    """SMGA from the authors' ``audio2pose_best_model.pt`` or a .safetensors with the same keys (on the CPU).

    The number of heads cannot be read from tensors: 8 as published, unless the metadata's ``config`` (JSON) says
    otherwise.
    """
    checkpoint = open_checkpoint(
        path, f"put the authors' stage_1/{SMGA_FILE} into models/mmgt, or use Rhythm Audio2Pose, which needs no weights"
    )
    config = json.loads(checkpoint.metadata.get("config", "{}"))
    return build_smga(checkpoint.tensors, int(config.get("num_heads", 8)), str(path), ops)
