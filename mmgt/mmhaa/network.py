"""The published checkpoint's four modules as the two networks that run: one reads the photo, one denoises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..diffusion import PUBLISHED, Parametrisation
from ..errors import InputError
from ..speech.features import NUM_HANDCRAFTED, SpeechKind
from ..weights.signatures import PREFIXES
from .audio_proj import NUM_FRAMES_AROUND, AudioProjection
from .blocks import NUM_GROUPS
from .config import NO_CLIP, UNetConfig
from .pictures import TRAINED_PX
from .pose_guider import PoseGuider
from .student import Student
from .unet import UNet


@dataclass(frozen=True)
class Photo:
    """The photo as the networks read it, once per video.

    features: by path of the spatial transformer [1, n, C], the reference UNet's. image_token: CLIP's [1, 1, D].
    """

    features: dict[str, Tensor]
    image_token: Tensor

    def to(self, like: Tensor) -> Photo:
        """On the device and in the dtype of a tensor."""
        return Photo({path: feature.to(like) for path, feature in self.features.items()}, self.image_token.to(like))


class VideoNetwork(UNet):
    """The denoising UNet with the two small networks that feed it: all that a denoising step needs.

    The UNet's modules stay at the top level, where LoRAs for SD-1.5 in diffusers' names look for them.
    """

    def __init__(
        self,
        config: UNetConfig,
        pose_sizes: tuple[list[int], int],
        audio_sizes: tuple[int, int, int, int] | None,
        ops: Any = nn,
        **kw: Any,
    ) -> None:
        super().__init__(config, ops=ops, **kw)
        self.pose_guider = PoseGuider(*pose_sizes, ops=ops, **kw)
        if audio_sizes is not None:  # an image network has no speech
            self.audioproj = AudioProjection(*audio_sizes, ops=ops, **kw)

    @property
    def num_mask_levels(self) -> int:
        return len(self.config.widths) - 1

    @property
    def hears(self) -> SpeechKind:
        """What the audio projection reads: a frame's 35 hand-crafted features, or wav2vec2's layers."""
        handcrafted = self.audioproj.proj1.in_features == NUM_FRAMES_AROUND * NUM_HANDCRAFTED
        return "handcrafted" if handcrafted else "wav2vec2"

    @property
    def sees_clip(self) -> bool:
        """Whether it reads the photo through CLIP, too."""
        return self.config.image_channels != NO_CLIP


@dataclass(frozen=True)
class MMHAA:
    """Both networks of stage II, what the second predicts, and the side of the pictures that they were trained on.

    student: how it is sampled, if it was distilled to few steps.
    """

    reference_unet: UNet
    video_network: VideoNetwork
    parametrisation: Parametrisation = PUBLISHED
    trained_px: int = TRAINED_PX
    student: Student | None = None

    def to(self, device: torch.device) -> MMHAA:
        """Both networks there, as modules move: in place."""
        for network in (self.reference_unet, self.video_network):
            network.to(device)
        return self

    @torch.inference_mode()
    def read_photo(self, latents: Tensor, image_token: Tensor) -> Photo:
        """latents [1, 4, h, w] (scaled), image_token [1, 1, D] -> the photo's features."""
        return Photo(self.reference_unet.read_photo(latents, image_token), image_token)


def check_speech(network: VideoNetwork, num_layers: int, width: int) -> None:
    """Raise InputError unless so many layers of speech features, so wide, are what the network reads."""
    wanted = network.audioproj.proj1.in_features
    if wanted != NUM_FRAMES_AROUND * num_layers * width:
        raise InputError(
            f"wav2vec2 gives {num_layers} layers of {width} per frame, but this video network reads {wanted} numbers "
            f"of {NUM_FRAMES_AROUND} frames; take the wav2vec2 that it was trained with (the published one: "
            "wav2vec2-base-960h)."
        )


def network_states(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors in the authors' keys -> state dicts of the reference UNet and of the video network."""
    reference, video = {}, {}
    for key, tensor in tensors.items():
        prefix, _, rest = key.partition(".")
        if prefix == "reference_unet":
            reference[rest] = tensor
        else:
            video[rest if prefix == "denoising_unet" else key] = tensor
    return reference, video


def authors_state(reference: Mapping[str, Tensor], video: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back of ``network_states``."""
    own = {key if key.startswith(PREFIXES) else f"denoising_unet.{key}": tensor for key, tensor in video.items()}
    return {**{f"reference_unet.{key}": tensor for key, tensor in reference.items()}, **own}


def build_networks(
    tensors: Mapping[str, Tensor], num_heads: int, motion_heads: int, num_groups: int = NUM_GROUPS, ops: Any = nn
) -> MMHAA:
    """Both networks on ``meta``, every size read from tensors in the authors' keys."""
    parts = {
        prefix: {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
        for prefix in PREFIXES
    }
    reading, denoising = (
        UNetConfig.from_state_dict(parts[prefix], num_heads, motion_heads, num_groups)
        for prefix in ("reference_unet", "denoising_unet")
    )
    return MMHAA(
        UNet(reading, ops=ops, device="meta"),
        VideoNetwork(
            denoising,
            PoseGuider.sizes(parts["pose_guider"]),
            AudioProjection.sizes(parts["audioproj"]) if parts["audioproj"] else None,
            ops=ops,
            device="meta",
        ),
    )
