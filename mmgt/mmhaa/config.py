"""The video network's architecture, read from a state dict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from .blocks import NUM_GROUPS

NO_CLIP = 1  # width of the image token of a network that was trained without CLIP: one zero


@dataclass(frozen=True)
class UNetConfig:
    """A UNet of SD-1.5's layout. The defaults are the published denoising UNet.

    image_channels: width of the CLIP token, ``NO_CLIP`` without CLIP. audio_channels: width of the audio tokens, or
    None for no audio modules. motion_heads: heads of the motion modules, or None for none. has_output: whether it
    predicts anything (the reference UNet does not). num_groups: of the group norms.
    """

    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    num_heads: int = 8
    image_channels: int = 768
    latent_channels: int = 4
    audio_channels: int | None = 768
    motion_heads: int | None = 8
    has_output: bool = True
    num_groups: int = NUM_GROUPS

    @classmethod
    def from_state_dict(
        cls,
        state_dict: Mapping[str, Tensor],
        num_heads: int = 8,
        motion_heads: int = 8,
        num_groups: int = NUM_GROUPS,
    ) -> UNetConfig:
        """Read every size from tensors in the authors' keys (without prefix); heads and groups do not show there."""
        resnet = re.compile(r"down_blocks\.(\d+)\.resnets\.(\d+)\.conv1\.weight")
        found = {
            (int(m[1]), int(m[2])): state_dict[m[0]].shape[0] for key in state_dict if (m := resnet.fullmatch(key))
        }
        audio = state_dict.get("down_blocks.0.audio_modules.0.transformer_blocks.0.attn2_0.to_k.weight")
        has_motion = "mid_block.motion_modules.0.temporal_transformer.proj_in.weight" in state_dict
        return cls(
            widths=tuple(width for (_, layer), width in sorted(found.items()) if layer == 0),
            layers_per_block=1 + max(layer for _, layer in found),
            num_heads=num_heads,
            image_channels=state_dict["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1],
            latent_channels=state_dict["conv_in.weight"].shape[1],
            audio_channels=None if audio is None else audio.shape[1],
            motion_heads=motion_heads if has_motion else None,
            has_output="conv_out.weight" in state_dict,
            num_groups=num_groups,
        )
