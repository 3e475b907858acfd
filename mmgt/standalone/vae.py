"""The VAE of Stable Diffusion 1.5 (diffusers' AutoencoderKL): pictures <-> latents."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..mmhaa.pictures import LATENT_PX
from ..weights import load_strictly, open_checkpoint, recognise
from ..weights.files import config_number, published_config, weights_file
from .schedulers import import_diffusers
from .tiny_vae import decoder_layers, is_taesd, is_tiny, load_tiny_decoder, load_tiny_vae

LATENT_SCALE = 0.18215  # of SD 1.5: what the networks see is the latents times this
NUM_GROUPS = 32  # of its group norms
VAE_ADVICE = "take sd-vae-ft-mse (diffusion_pytorch_model.safetensors, or vae-ft-mse-840000-ema-pruned.safetensors)"
DECODER_ADVICE = "take taesd_decoder.safetensors, of madebyollin/taesd, or a VAE of Stable Diffusion 1.5"
FRAMES_AT_ONCE = 4  # decoding one frame of 512 x 512 px holds about 0.7 GB in float16


def load_vae(path: Path, dtype: torch.dtype | None = None) -> Any:
    """diffusers' AutoencoderKL from a file or a folder of diffusers, or from a file in Stable Diffusion's own layout;
    AutoencoderTiny from a file in TAESD's (``tiny_vae.py``).

    Sizes are read from the tensors. The number of groups cannot be: 32, unless the file's metadata or the folder's
    config.json says otherwise (``norm_num_groups``). On the CPU, in ``dtype`` or else in the file's. Raises InputError.
    """
    checkpoint = open_checkpoint(weights_file(path), VAE_ADVICE)
    if is_taesd(checkpoint.tensors):
        return load_tiny_vae(checkpoint.tensors, str(checkpoint.path), dtype)
    tensors = diffusers_layout(checkpoint.tensors)
    try:
        sizes = vae_sizes(tensors)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{checkpoint.path} is {recognise(checkpoint.tensors)}, not a VAE of Stable Diffusion 1.5; {VAE_ADVICE}."
        ) from error
    widths, latent_channels = sizes["block_out_channels"], sizes["latent_channels"]
    if 2 ** (len(widths) - 1) != LATENT_PX or latent_channels != 4:
        raise InputError(
            f"{checkpoint.path} is a VAE of another model ({latent_channels} latent channels, cells of "
            f"{2 ** (len(widths) - 1)} px; Stable Diffusion 1.5 has 4 and {LATENT_PX}); {VAE_ADVICE}."
        )
    config = published_config(checkpoint)
    num_groups = config_number(checkpoint, config, "norm_num_groups", math.gcd(NUM_GROUPS, *widths))
    with torch.device("meta"):
        vae = import_diffusers("AutoencoderKL")(norm_num_groups=num_groups, **sizes)
    if dtype is not None:  # here, because diffusers' own .to(dtype) warns
        tensors = {key: value.to(dtype) for key, value in tensors.items()}
    load_strictly(vae, tensors, str(checkpoint.path))
    return vae.eval().requires_grad_(False)


def load_decoder(path: Path, dtype: torch.dtype | None = None) -> Any:
    """What makes frames of latents: a decoder in TAESD's layout alone, or anything that ``load_vae`` takes."""
    checkpoint = open_checkpoint(weights_file(path), DECODER_ADVICE)
    layers = None if is_taesd(checkpoint.tensors) else decoder_layers(checkpoint.tensors)
    return load_vae(path, dtype) if layers is None else load_tiny_decoder(layers, str(checkpoint.path), dtype)


def vae_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of AutoencoderKL that can be read from a state dict in diffusers' keys."""
    resnet = re.compile(r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)\.conv1\.weight")
    found = {(int(m[1]), int(m[2])): tensors[m[0]].shape[0] for key in tensors if (m := resnet.fullmatch(key))}
    widths = tuple(width for (_, layer), width in sorted(found.items()) if layer == 0)
    return {
        "in_channels": tensors["encoder.conv_in.weight"].shape[1],
        "out_channels": tensors["decoder.conv_out.weight"].shape[0],
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "block_out_channels": widths,
        "layers_per_block": 1 + max(layer for _, layer in found),
        "latent_channels": tensors["post_quant_conv.weight"].shape[0],
    }


# Names of the middle's attention: Stable Diffusion's own, and diffusers' before 0.15.
_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0", "norm": "group_norm"} | {
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}
_TO_DIFFUSERS = (
    (r"\.(down|up)\.(\d+)\.block\.(\d+)\.", r".\1_blocks.\2.resnets.\3."),
    (r"\.(down|up)\.(\d+)\.(down|up)sample\.", r".\1_blocks.\2.\3samplers.0."),
    (r"\.mid\.block_([12])\.", lambda m: f".mid_block.resnets.{int(m[1]) - 1}."),
    (r"\.mid\.attn_1\.", ".mid_block.attentions.0."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"^(encoder|decoder)\.norm_out\.", r"\1.conv_norm_out."),
    (r"(?<=\.mid_block\.attentions\.0\.)(\w+)(?=\.\w+$)", lambda m: _ATTENTION.get(m[1], m[1])),
)


def diffusers_layout(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A VAE's tensors in diffusers' present keys: from Stable Diffusion's own layout (also of a whole checkpoint, below
    ``first_stage_model.``), from diffusers' earlier names, or unchanged.

    What belongs to training (``loss.``, ``model_ema.``) and to the rest of a whole checkpoint is left out.
    """
    inside = "first_stage_model."
    if any(key.startswith(inside) for key in tensors):
        tensors = {key.removeprefix(inside): value for key, value in tensors.items() if key.startswith(inside)}
    own = {key: value for key, value in tensors.items() if not key.startswith(("loss.", "model_ema."))}
    last = max((int(m[1]) for key in own if (m := re.match(r"decoder\.up\.(\d+)\.", key))), default=0)
    renamed = {}
    for key, value in own.items():
        # Stable Diffusion counts the decoder's stages by resolution, diffusers by their order.
        name = re.sub(r"^decoder\.up\.(\d+)", lambda m: f"decoder.up.{last - int(m[1])}", key)
        for pattern, replacement in _TO_DIFFUSERS:
            name = re.sub(pattern, replacement, name)
        is_product = ".mid_block.attentions.0.to_" in name and value.ndim == 4  # a convolution of 1 x 1
        renamed[name] = value.flatten(1) if is_product else value
    return renamed


@torch.inference_mode()
def encode_picture(vae: Any, canvas: np.ndarray) -> Tensor:
    """[H, W, 3] uint8, sides multiples of 8 -> scaled latents [1, 4, H / 8, W / 8]: the distribution's mean, if any."""
    pixels = torch.from_numpy(canvas.astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)[None]
    encoded = vae.encode(pixels.to(vae.device, vae.dtype))
    return encoded.latents if is_tiny(vae) else encoded.latent_dist.mean * LATENT_SCALE


@torch.inference_mode()
def decode_latents(vae: Any, latents: Tensor, frames_at_once: int = FRAMES_AT_ONCE) -> Iterator[Tensor]:
    """Scaled latents [T, 4, h, w] -> frames [F, 3, 8 h, 8 w] float32 in 0..1, some at a time."""
    scale = 1.0 if is_tiny(vae) else LATENT_SCALE
    for some in latents.split(frames_at_once):
        decoded = vae.decode((some / scale).to(vae.device, vae.dtype)).sample
        yield (decoded.float() / 2 + 0.5).clamp(0, 1)
