"""What a video costs at full size, in FLOP: the real sampling loop is run on a stand-in that counts calls, and each
kind of call is counted once on ``meta``.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..mmhaa.attention import Rows
from ..mmhaa.config import UNetConfig
from ..mmhaa.drive import Drive
from ..mmhaa.network import MMHAA, Photo, VideoNetwork
from ..mmhaa.pictures import CLIP_PX, LATENT_PX, PictureSize
from ..mmhaa.presets import Preset
from ..mmhaa.sample import Video, VideoRun, sample_latents
from ..mmhaa.unet import UNet, VideoContext
from ..standalone.schedulers import import_diffusers, make_scheduler

# The published sizes of what feeds the UNet.
POSE_SIZES = ([16, 32, 96, 256], 320)
AUDIO_SIZES = (5 * 12 * 768, 512, 32, 768)
VAE_WIDTHS = (128, 256, 512, 512)

# What runs: a name, the number of frames, the guidance rows, and whether the whole UNet runs or its first level only.
Call = tuple[str, int, Rows, bool]


@dataclass
class CallCounter:
    """In place of the video network: counts what the sampling loop asks of it, and answers with zeros."""

    calls: Counter[Call] = field(default_factory=Counter)

    def _count(self, name: str, num_frames: int = 0, rows: Rows = (), whole: bool = True) -> None:
        self.calls[name, num_frames, rows, whole] += 1

    def reference_keys_values(self, features: dict[str, Tensor], image_token: Tensor) -> dict[str, Any]:
        self._count("photo's keys and values")
        return {}

    def fused_audio_outputs(self, like: Tensor) -> dict[str, Any]:
        self._count("fused audio outputs")
        return {}

    def pose_guider(self, pictures: Tensor) -> Tensor:
        self._count("pose guider", len(pictures))
        return pictures

    def audioproj(self, layers: Tensor) -> Tensor:
        self._count("audio projection", len(layers))
        return layers

    def audio_keys_values(self, tokens: Tensor | None, outputs: dict[str, Any]) -> dict[str, Any]:
        self._count("speech's keys and values", 0 if tokens is None else len(tokens))
        return {}

    def __call__(
        self, latents: Tensor, timestep: Tensor, context: VideoContext, deep: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        self._count("denoising", len(latents), context.rows, deep is None)
        answers = torch.zeros(len(context.rows) * len(latents), *latents.shape[1:])
        return answers, answers


def count_calls(preset: Preset, num_frames: int) -> Counter[Call]:
    """What the denoising loop asks of the video network for a video of so many frames."""
    drive = Drive(
        num_frames,
        PictureSize(64, 64),
        pictures=lambda frames: torch.zeros(len(frames), 3, 8, 8),
        masks=lambda frames: (),
        speech=torch.zeros(num_frames, 1, 1),
    )
    network = CallCounter()
    run = VideoRun(network, Video(Photo({}, torch.zeros(1, 1, 1)), drive, preset.options))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(num_frames, 4, 1, 1, generator=generator)
    sample_latents(run, noise, make_scheduler(preset.scheduler, preset.num_steps, generator), preset.guidance)
    return network.calls


def flop(call: Callable[[], object]) -> int:
    """FLOP of a call on ``meta``: 2 for each multiplication with addition in products, convolutions and attention."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


class FullSize:
    """Every network of stage II at its published size on ``meta``, for latents of latent x latent cells."""

    def __init__(self, latent: int) -> None:
        self.latent = latent
        config = UNetConfig()
        reading = replace(config, audio_channels=None, motion_heads=None, has_output=False)
        self.networks = MMHAA(
            UNet(reading, device="meta"), VideoNetwork(config, POSE_SIZES, AUDIO_SIZES, device="meta")
        )
        self.photo_latents, self.token = self.zeros(1, 4, latent, latent), self.zeros(1, 1, config.image_channels)
        self.photo = self.networks.read_photo(self.photo_latents, self.token)
        with torch.inference_mode():
            self.references = self.network.reference_keys_values(self.photo.features, self.token)
            self.outputs = self.network.fused_audio_outputs(self.token)

    @property
    def network(self) -> VideoNetwork:
        return self.networks.video_network

    def zeros(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, device="meta")

    def audio(self, num_frames: int) -> dict[str, Any]:
        tokens = self.zeros(num_frames, *AUDIO_SIZES[2:]) if num_frames else None
        return self.network.audio_keys_values(tokens, self.outputs)

    def denoise(self, num_frames: int, rows: Rows, deep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        side = self.latent
        context = VideoContext(
            self.zeros(num_frames, self.network.config.widths[0], side, side),
            self.references,
            self.audio(num_frames),
            tuple(self.zeros(3, num_frames, (-(-side >> level)) ** 2) for level in range(self.network.num_mask_levels)),
            self.zeros(3),
            rows,
        )
        return self.network(self.zeros(num_frames, 4, side, side), torch.zeros(1, device="meta"), context, deep)

    @functools.cache  # noqa: B019 (one object a run)
    def flop(self, call: Call) -> int:
        """FLOP of one call that ``count_calls`` counted."""
        name, num_frames, rows, whole = call
        side_px = self.latent * LATENT_PX
        if name == "denoising":
            with torch.inference_mode():
                _, deep = self.denoise(num_frames, rows)
            audio = flop(lambda: self.audio(num_frames))
            return flop(lambda: self.denoise(num_frames, rows, None if whole else deep)) - audio
        parts: dict[str, Callable[[], object]] = {
            "photo's keys and values": lambda: self.network.reference_keys_values(self.photo.features, self.token),
            "fused audio outputs": lambda: self.network.fused_audio_outputs(self.token),
            "pose guider": lambda: self.network.pose_guider(self.zeros(num_frames, 3, side_px, side_px)),
            "audio projection": lambda: self.network.audioproj(self.zeros(num_frames, AUDIO_SIZES[0], 1, 1)),
            "speech's keys and values": lambda: self.audio(num_frames),
        }
        return flop(parts[name])

    @functools.cache  # noqa: B019
    def around(self, num_frames: int) -> dict[str, int]:
        """FLOP of what runs before and after the denoising loop."""
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        with torch.device("meta"):
            clip = CLIPVisionModelWithProjection(
                CLIPVisionConfig(
                    hidden_size=1024,
                    intermediate_size=4096,
                    num_hidden_layers=24,
                    num_attention_heads=16,
                    patch_size=14,
                    projection_dim=768,
                )
            ).eval()
            vae = import_diffusers("AutoencoderKL")(
                down_block_types=("DownEncoderBlock2D",) * len(VAE_WIDTHS),
                up_block_types=("UpDecoderBlock2D",) * len(VAE_WIDTHS),
                block_out_channels=VAE_WIDTHS,
                layers_per_block=2,
            ).eval()
        side_px = self.latent * LATENT_PX
        return {
            "CLIP": flop(lambda: clip(self.zeros(1, 3, CLIP_PX, CLIP_PX))),
            "VAE, photo": flop(lambda: vae.encode(self.zeros(1, 3, side_px, side_px))),
            "reference UNet": flop(lambda: self.networks.read_photo(self.photo_latents, self.token)),
            "VAE, frames": num_frames * flop(lambda: vae.decode(self.photo_latents)),
        }

    @functools.cache  # noqa: B019
    def tiny_decoding(self, num_frames: int) -> int:
        """FLOP of the frames by a decoder in TAESD's layout, in place of the VAE's."""
        with torch.device("meta"):
            tiny = import_diffusers("AutoencoderTiny")().eval()
        return num_frames * flop(lambda: tiny.decode(self.photo_latents))


def video_flop(full_size: FullSize, preset: Preset, num_frames: int) -> dict[str, int]:
    """FLOP of each part of a whole video."""
    parts = Counter[str]()
    for call, times in count_calls(preset, num_frames).items():
        name, _, rows, whole = call
        if name == "denoising":
            name += f", {len(rows)} row{'s' if len(rows) > 1 else ''}{'' if whole else ', first level only'}"
        parts[name] += times * full_size.flop(call)
    return {**parts, **full_size.around(num_frames)}
