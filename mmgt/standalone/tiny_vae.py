"""A tiny auto-encoder in TAESD's layout: pictures <-> latents at a hundredth of the cost of Stable Diffusion's VAE.

The file's keys are ``taesd_encoder.N`` and ``taesd_decoder.N``, 64 channels wide, as ComfyUI's VAE Loader reads them.
Of a half that was learned with fewer channels the others are zeros in the file: they change nothing, and are left out
when it is loaded here. The network is diffusers' AutoencoderTiny.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..weights import load_strictly
from .schedulers import import_diffusers

WIDTH = 64  # of the layout
VAE_SCALE, VAE_SHIFT = "vae_scale", "vae_shift"  # core's own: what its latents are multiplied by, 0.18215 for SD-1.5


def build_tiny_vae(encoder_width: int, decoder_width: int, device: str = "cpu") -> Any:
    """An untrained AutoencoderTiny of these widths. Raises InputError for widths that the layout does not hold."""
    for width in (encoder_width, decoder_width):
        if not 8 <= width <= WIDTH or width % 8:
            raise InputError(f"a tiny auto-encoder's width is {width}; it must be 8, 16, 24 ... {WIDTH}.")
    with torch.device(device):
        return import_diffusers("AutoencoderTiny")(
            encoder_block_out_channels=(encoder_width,) * 4, decoder_block_out_channels=(decoder_width,) * 4
        )


def is_tiny(vae: Any) -> bool:
    """Whether an auto-encoder's latents are scaled already, and no distribution."""
    return hasattr(vae, "latent_magnitude")


def is_taesd(tensors: Mapping[str, Tensor]) -> bool:
    return {"taesd_encoder.0.weight", "taesd_decoder.1.weight"} <= tensors.keys()


def taesd_layout(tensors: Mapping[str, Tensor], vae_scale: float) -> dict[str, Tensor]:
    """AutoencoderTiny's tensors in TAESD's keys, filled up with zeros to its 64 channels."""
    written = {VAE_SCALE: torch.tensor(vae_scale), VAE_SHIFT: torch.tensor(0.0)}
    for key, tensor in tensors.items():
        written[_taesd_key(key)] = _filled_up(tensor)
    return written


def _taesd_key(key: str) -> str:
    """AutoencoderTiny's key -> TAESD's, whose decoder begins with a clamp."""
    half, _, idx, rest = key.split(".", 3)
    return f"taesd_{half}.{int(idx) + (half == 'decoder')}.{rest}"


def load_tiny_vae(tensors: Mapping[str, Tensor], source: str, dtype: torch.dtype | None = None) -> Any:
    """AutoencoderTiny from a file's tensors in TAESD's keys. Raises InputError if they are incomplete."""
    own = {key: value for key, value in tensors.items() if key not in (VAE_SCALE, VAE_SHIFT)}
    vae = build_tiny_vae(live_width(own, "encoder"), live_width(own, "decoder"), "meta")
    state = {}
    for key, like in vae.state_dict().items():
        name = _taesd_key(key)
        if name in own:
            tensor = own.pop(name)
            state[key] = tensor[tuple(slice(size) for size in like.shape)].to(dtype or tensor.dtype).contiguous()
    load_strictly(vae, {**state, **own}, source)
    return vae.eval().requires_grad_(False)


def decoder_layers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The decoder of a file in TAESD's layout, in AutoencoderTiny's keys; None where there is none.

    It may lie alone (``taesd_decoder``, keys "1.weight" ...), beside the encoder in one file, or in diffusers' keys.
    """
    found: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        m = re.fullmatch(r"(taesd_decoder\.|decoder\.layers\.|)(\d+)\.(.+)", key)
        if m is not None:
            found[f"layers.{int(m[2]) - (m[1] != 'decoder.layers.')}.{m[3]}"] = tensor
    return found if "layers.2.conv.0.weight" in found else None


def load_tiny_decoder(tensors: Mapping[str, Tensor], source: str, dtype: torch.dtype | None = None) -> Any:
    """AutoencoderTiny that only decodes. tensors: of ``decoder_layers``. Raises InputError if they are incomplete."""
    vae = build_tiny_vae(8, WIDTH, "meta")
    vae.encoder = torch.nn.Identity()
    state = {key: value.to(dtype or value.dtype) for key, value in tensors.items()}
    load_strictly(vae.decoder, state, source)
    return vae.eval().requires_grad_(False)


def live_width(tensors: Mapping[str, Tensor], half: str) -> int:
    """Of the layout's channels, how many of a half are in use: those behind them are zero in every convolution."""
    used = 8
    for key, tensor in tensors.items():
        if key.startswith(f"taesd_{half}."):
            for axis in range(min(tensor.ndim, 2)):
                if tensor.shape[axis] == WIDTH:
                    channels = tensor.movedim(axis, 0).reshape(WIDTH, -1).abs().amax(dim=1).nonzero()
                    used = max(used, int(channels.max()) + 1 if len(channels) else 0)
    return -(-used // 8) * 8


def _filled_up(tensor: Tensor) -> Tensor:
    """A weight or bias with every axis that is neither a picture's or latents' channels nor a kernel's 64 long."""
    sizes = [WIDTH if axis < 2 and size > 4 else size for axis, size in enumerate(tensor.shape)]
    filled = tensor.new_zeros(sizes)
    filled[tuple(slice(size) for size in tensor.shape)] = tensor
    return filled
