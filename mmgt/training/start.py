"""What stage II's training begins from: Stable Diffusion's UNet, AnimateDiff's motion modules, a ControlNet's eye for
pose pictures, or an earlier process. Every tensor of a file must have a place, but for leftovers that are named here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..errors import InputError
from ..mmhaa.network import MMHAA, authors_state, network_states
from ..weights import open_checkpoint, recognise
from ..weights.files import Checkpoint, sha256_of
from ..weights.strict import listed_misfits, misfits

logger = logging.getLogger("mmgt")

UNET_ADVICE = "give the UNet of Stable Diffusion 1.5 or sd-image-variations, or a whole SD-1.5 checkpoint"
MOTION_ADVICE = "give AnimateDiff's mm_sd_v15_v2.ckpt, or a net-N.safetensors of `mmgt train video`"
CONTROLNET_ADVICE = "give control_v11p_sd15_openpose, or its diffusion_pytorch_model.safetensors"
NETWORKS_ADVICE = "give a net-N.safetensors of `mmgt train image`, or net-32500.pth"

# Leftovers: what a file may hold that a network has no place for, and what a network may have that a file lacks.
REFERENCE_HAS_NO_OUTPUT = r"conv_norm_out\.|conv_out\."
VIDEO_ONLY = r"(denoising_unet\..*\.(motion_modules|audio_modules)\.|audioproj\.)"
BEYOND_SD = r".*\.(motion_modules|audio_modules)\.|(pose_guider|audioproj)\."


@dataclass(frozen=True)
class StartFiles:
    """unet: for both UNets. motion: the motion modules, of an earlier process 2 its hearing too. controlnet: the pose
    guider but its output. networks: an earlier process, loaded last, so over the others."""

    unet: Path | None = None
    motion: Path | None = None
    controlnet: Path | None = None
    networks: Path | None = None

    def facts(self) -> dict[str, str]:
        """Names and checksums, for a run's settings."""
        given = {name: path for name, path in vars(self).items() if path is not None}
        return {name: f"{path.name} {sha256_of(path)[:16]}" for name, path in given.items()}


def start_networks(networks: MMHAA, files: StartFiles) -> None:
    """Give untrained networks what the files hold. Raises InputError for a foreign file, or one of other sizes."""
    video = networks.video_network
    if files.unet is not None:
        file = open_checkpoint(files.unet, UNET_ADVICE)
        tensors = unet_tensors(file.tensors)
        _fill(networks.reference_unet, tensors, file, UNET_ADVICE, may_leave=REFERENCE_HAS_NO_OUTPUT)
        _fill(video, tensors, file, UNET_ADVICE, may_lack=BEYOND_SD)
    if files.motion is not None:
        if video.config.motion_heads is None:
            raise InputError(f"{files.motion} holds motion modules, which process 1 has not; give it to `train video`.")
        file = open_checkpoint(files.motion, MOTION_ADVICE)
        tensors = video_only(file.tensors)
        _fill(video, tensors, file, MOTION_ADVICE, may_lack=r"(?!.*\.motion_modules\.).*")
    if files.controlnet is not None:
        file = open_checkpoint(files.controlnet, CONTROLNET_ADVICE)
        tensors = pose_guider_tensors(file.tensors)
        _fill(video.pose_guider, tensors, file, CONTROLNET_ADVICE, may_lack=r"conv_out\.")
    if files.networks is not None:
        file = open_checkpoint(files.networks, NETWORKS_ADVICE)
        wanted = authors_state(networks.reference_unet.state_dict(), video.state_dict())
        load_networks(networks, _filled(wanted, file.tensors, file, NETWORKS_ADVICE, may_lack=VIDEO_ONLY))


def video_only(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Motion modules in the video network's keys: AnimateDiff's as they are, or what only process 2 learns of a file
    in the authors' keys."""
    if not any(key.startswith("denoising_unet.") for key in tensors):
        return dict(tensors)
    return {key.removeprefix("denoising_unet."): tensor for key, tensor in tensors.items() if re.match(VIDEO_ONLY, key)}


def load_networks(networks: MMHAA, tensors: Mapping[str, Tensor]) -> None:
    """Give both networks tensors in the authors' keys, which are theirs exactly."""
    modules = (networks.reference_unet, networks.video_network)
    for module, state in zip(modules, network_states(tensors), strict=True):
        _load(module, state)


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], file: Checkpoint, advice: str, **leftovers: str) -> None:
    """Load a file's tensors into a part of a module."""
    _load(module, _filled(module.state_dict(), tensors, file, advice, **leftovers))


def _load(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    module.load_state_dict(state, assign=next(module.parameters()).is_meta)


def _filled(
    wanted: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    file: Checkpoint,
    advice: str,
    may_lack: str = "(?!)",
    may_leave: str = "(?!)",
) -> dict[str, Tensor]:
    """``wanted`` with what a file holds of it. may_lack, may_leave: patterns of the keys that may be left over."""
    found = misfits(wanted, tensors)
    for kind, allowed in (("missing", may_lack), ("unexpected", may_leave)):
        found[kind] = [key for key in found[kind] if not re.match(allowed, key)]
    problems = listed_misfits(found)
    if problems or not tensors:
        raise InputError(
            f"{file.path} ({recognise(file.tensors)}) does not fit where training begins from it: tensors "
            f"{problems or 'missing'}; {advice}, of the same widths."
        )
    num_new = sum(key not in tensors for key in wanted)
    logger.info("%s: %d tensors taken, %d of the network begin as new", file.path.name, len(wanted) - num_new, num_new)
    return {key: tensors[key].to(value.dtype) if key in tensors else value for key, value in wanted.items()}


_LDM = "model.diffusion_model."
_LDM_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_LDM_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}


def unet_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A UNet in diffusers' keys: as it is, or out of a whole checkpoint in Stable Diffusion's own layout."""
    if not any(key.startswith(_LDM) for key in tensors):
        return dict(tensors)
    own = {key.removeprefix(_LDM): tensor for key, tensor in tensors.items() if key.startswith(_LDM)}
    downs = [int(m[1]) for key in own if (m := re.match(r"input_blocks\.(\d+)\.0\.op\.", key))]
    per_level = downs[0] if downs else 3  # resnets of a level, and the step down
    attends = {m[1] for key in own if (m := re.match(r"(output_blocks\.\d+)\.1\.transformer_blocks\.", key))}
    return {_ldm_key(key, per_level, attends): tensor for key, tensor in own.items()}


def _ldm_key(key: str, per_level: int, attends: set[str]) -> str:
    """Stable Diffusion counts all layers of a path; diffusers counts levels, and in each its layers."""
    for theirs, ours in _LDM_ENDS.items():
        if key.startswith(f"{theirs}."):
            return ours + key.removeprefix(theirs)
    m = re.fullmatch(r"(input_blocks|output_blocks)\.(\d+)\.(\d)\.(.+)", key)
    if m is None:
        m = re.fullmatch(r"(middle_block)\.(\d)\.(.+)", key)
        if m is None:
            return key
        place = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}[m[2]]
        return f"mid_block.{place}.{_resnet_key(m[3])}"
    if m[1] == "input_blocks":
        level, layer = divmod(int(m[2]) - 1, per_level)
        if m[4].startswith("op."):
            return f"down_blocks.{level}.downsamplers.0.conv.{m[4].removeprefix('op.')}"
        return f"down_blocks.{level}.{'resnets' if m[3] == '0' else 'attentions'}.{layer}.{_resnet_key(m[4])}"
    level, layer = divmod(int(m[2]), per_level)
    if m[3] == "0":
        return f"up_blocks.{level}.resnets.{layer}.{_resnet_key(m[4])}"
    if m[3] == "1" and f"output_blocks.{m[2]}" in attends:
        return f"up_blocks.{level}.attentions.{layer}.{m[4]}"
    return f"up_blocks.{level}.upsamplers.0.{m[4]}"


def _resnet_key(rest: str) -> str:
    for theirs, ours in _LDM_RESNET.items():
        if rest.startswith(f"{theirs}."):
            return ours + rest.removeprefix(theirs)
    return rest


def pose_guider_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How a ControlNet (diffusers' layout, or its own) reads its picture, as the pose guider but for its output."""
    if any(key.startswith("control_model.") for key in tensors):
        hint = re.compile(r"control_model\.input_hint_block\.(\d+)\.(\w+)")
        places: dict[int, Callable[[str], str]] = {}
        numbers = sorted({int(m[1]) for key in tensors if (m := hint.fullmatch(key))})
        for idx, number in enumerate(numbers[:-1]):  # the last is its output
            name = "conv_in" if idx == 0 else f"blocks.{idx - 1}"
            places[number] = lambda part, name=name: f"{name}.{part}"  # type: ignore[misc]
        found = ((hint.fullmatch(key), tensor) for key, tensor in tensors.items())
        return {places[int(m[1])](m[2]): tensor for m, tensor in found if m is not None and int(m[1]) in places}
    prefix = "controlnet_cond_embedding."
    own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return {key: tensor for key, tensor in own.items() if not key.startswith("conv_out.")}
