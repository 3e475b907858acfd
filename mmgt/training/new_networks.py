"""Untrained networks of stage II, of any size: the published architecture at chosen widths."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from torch import nn

from .. import ops
from ..errors import InputError
from ..mmhaa.audio_proj import CONTEXT_FRAMES
from ..mmhaa.blocks import NUM_GROUPS
from ..mmhaa.config import NO_CLIP, UNetConfig
from ..mmhaa.network import MMHAA, VideoNetwork
from ..mmhaa.unet import UNet
from ..speech.features import NUM_HANDCRAFTED

POSE_LEVELS = 4  # the pose guider halves its picture three times


@dataclass(frozen=True)
class MMHAASizes:
    """Sizes of stage II's networks; the defaults are the published ones.

    widths: of the UNets' levels. image_channels: of CLIP's token; ``NO_CLIP`` for a network without CLIP.
    speech_layers, speech_width: of a frame's speech features (wav2vec2: 12 layers of 768; hand-crafted: 1 of 35).
    speech_hidden, num_tokens, token_width: of the audio projection. pose_widths: of the pose guider.
    """

    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    num_heads: int = 8
    motion_heads: int = 8
    image_channels: int = 768
    speech_layers: int = 12
    speech_width: int = 768
    speech_hidden: int = 512
    num_tokens: int = 32
    token_width: int = 768
    pose_widths: tuple[int, ...] = (16, 32, 96, 256)
    num_groups: int = NUM_GROUPS

    def __post_init__(self) -> None:
        for name in ("widths", "pose_widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.widths) != 4 or any(width < self.num_groups or width % self.num_groups for width in self.widths):
            raise InputError(
                f"the widths are {list(self.widths)}; they must be four multiples of {self.num_groups} groups."
            )
        if len(self.pose_widths) != POSE_LEVELS:
            raise InputError(f"the pose guider's widths are {list(self.pose_widths)}; they must be {POSE_LEVELS}.")
        for name, heads in (("num_heads", self.num_heads), ("motion_heads", self.motion_heads)):
            if heads < 1 or any(width % heads for width in self.widths):
                raise InputError(f"{name} is {heads}; it must divide the widths {list(self.widths)}.")

    @property
    def heads(self) -> str:
        """What tensors do not show, as JSON for a checkpoint's metadata."""
        return json.dumps(
            {"num_heads": self.num_heads, "motion_heads": self.motion_heads, "num_groups": self.num_groups}
        )


# Small networks read the hand-crafted features and no CLIP token: 6 and 22 million parameters. Groups of norms hold
# several channels: of one channel alone, its mean, which is a colour, would be lost.
TINY = MMHAASizes((48, 64, 64, 64), 1, 1, 1, NO_CLIP, 1, NUM_HANDCRAFTED, 64, 4, 32, (8, 16, 16, 32), num_groups=8)
SMALL = MMHAASizes((64, 96, 128, 160), 1, 2, 2, NO_CLIP, 1, NUM_HANDCRAFTED, 128, 8, 64, (16, 24, 32, 64))


def new_mmhaa(sizes: MMHAASizes, seed: int, with_video: bool) -> MMHAA:
    """Untrained networks, whose weights depend on the seed only; the video network's without motion and audio modules
    for process 1.

    What is added to a trained network begins as zero, so that it changes nothing at first: the pose guider's output,
    the audio branches' zero convolutions, and the motion modules' output.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = build(sizes, with_video)
    for name, module in networks.video_network.named_modules():
        if name == "pose_guider.conv_out" or "zero_conv_" in name or name.endswith("temporal_transformer.proj_out"):
            for parameter in module.parameters():
                nn.init.zeros_(parameter)
    return networks


def build(sizes: MMHAASizes, with_video: bool, device: str = "cpu") -> MMHAA:
    """Networks with torch's own first weights; on ``meta`` without any."""
    reading = UNetConfig(
        sizes.widths, sizes.layers_per_block, sizes.num_heads, sizes.image_channels,
        audio_channels=None, motion_heads=None, has_output=False, num_groups=sizes.num_groups,
    )  # fmt: skip
    denoising = UNetConfig(
        sizes.widths, sizes.layers_per_block, sizes.num_heads, sizes.image_channels,
        audio_channels=sizes.token_width if with_video else None,
        motion_heads=sizes.motion_heads if with_video else None,
        num_groups=sizes.num_groups,
    )  # fmt: skip
    audio_width = (2 * CONTEXT_FRAMES + 1) * sizes.speech_layers * sizes.speech_width
    audio_sizes = (audio_width, sizes.speech_hidden, sizes.num_tokens, sizes.token_width) if with_video else None
    pose_sizes = (list(sizes.pose_widths), sizes.widths[0])
    return MMHAA(
        UNet(reading, ops=ops, device=device),
        VideoNetwork(denoising, pose_sizes, audio_sizes, ops=ops, device=device),
    )
