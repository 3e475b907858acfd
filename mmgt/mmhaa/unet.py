"""The two UNets of stage II (paper Figure 3): SD-1.5's layout, once to read the photo, once to denoise.

The denoising UNet has motion modules everywhere and MM-HAA in its down path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import Layers
from .attention import AudioKeysValues, AudioModule, AudioOutput, Reference, Rows, SpatialTransformer
from .blocks import Downsample, Resnet, Upsample, channels_last, with_rows
from .config import UNetConfig
from .motion import MotionModule


@dataclass(frozen=True)
class VideoContext:
    """What the denoising UNet reads besides the latents, for the F frames of one window or of several; no step
    changes it.

    pose_features [F, width, h, w]. references: by path of the spatial transformer. audio: by path of the audio module.
    masks: for each level of the down path [3 (full, face, lips), F, h w]. strengths [3]: weight of each branch; the
    authors' inference takes 1, 1, 2. rows: of each guidance row, whether it has the photo and the speech. num_windows:
    equally long and one after another; motion modules look at frames of the same window only.
    """

    pose_features: Tensor
    references: dict[str, Reference]
    audio: dict[str, AudioKeysValues]
    masks: tuple[Tensor, ...]
    strengths: Tensor
    rows: Rows = (False, True)
    num_windows: int = 1

    @property
    def num_frames(self) -> int:
        return len(self.pose_features)


class Pass(Protocol):
    """How a pass through a UNet treats the modules that differ between reading the photo and denoising."""

    def spatial(self, module: SpatialTransformer, x: Tensor) -> Tensor: ...
    def audio(self, module: AudioModule, x: Tensor, level: int) -> Tensor: ...
    def motion(self, module: MotionModule, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Denoise:
    context: VideoContext

    def spatial(self, module: SpatialTransformer, x: Tensor) -> Tensor:
        context = self.context
        return module(x, context.references[module.path], context.num_frames, context.rows)

    def audio(self, module: AudioModule, x: Tensor, level: int) -> Tensor:
        context = self.context
        return module(x, context.audio[module.path], context.masks[level], context.strengths, context.rows)

    def motion(self, module: MotionModule, x: Tensor) -> Tensor:
        return module(x, self.context.num_frames // self.context.num_windows)


@dataclass(frozen=True)
class ReadPhoto:
    """Collects the features of every spatial transformer. image_token [1, 1, D]."""

    image_token: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)

    def spatial(self, module: SpatialTransformer, x: Tensor) -> Tensor:
        x, self.features[module.path] = module.write(x, self.image_token)
        return x

    def audio(self, module: AudioModule, x: Tensor, level: int) -> Tensor:
        raise TypeError("the reference UNet has no audio modules")

    def motion(self, module: MotionModule, x: Tensor) -> Tensor:
        raise TypeError("the reference UNet has no motion modules")


class Stage(nn.Module):
    """Resnets at one resolution, each followed by what this stage has: spatial transformer, audio and motion module."""

    def __init__(
        self,
        resnets: list[Resnet],
        attentions: list[SpatialTransformer],
        audio_modules: list[AudioModule],
        motion_modules: list[MotionModule],
        downsampler: Downsample | None = None,
        upsampler: Upsample | None = None,
    ) -> None:
        super().__init__()
        self.resnets = Layers(resnets)
        self.attentions = Layers(attentions) if attentions else None
        self.audio_modules = Layers(audio_modules) if audio_modules else None
        self.motion_modules = Layers(motion_modules) if motion_modules else None
        self.downsamplers = Layers([] if downsampler is None else [downsampler])
        self.upsamplers = Layers([] if upsampler is None else [upsampler])

    def layer(self, j: int, x: Tensor, time: Tensor, mode: Pass, level: int) -> Tensor:
        x = self.resnets[j](x, time)
        if self.attentions is not None:
            x = mode.spatial(self.attentions[j], x)
        if self.audio_modules is not None:
            x = mode.audio(self.audio_modules[j], x, level)
        if self.motion_modules is not None:
            x = mode.motion(self.motion_modules[j], x)
        return x


class UNet(nn.Module):
    """Both UNets; the config says which modules it has. Build it on ``meta`` and load strictly."""

    def __init__(self, config: UNetConfig, ops: Any = nn, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.config = config
        kw = {"device": device, "dtype": dtype}
        widths, time_width = config.widths, 4 * config.widths[0]
        deepest = len(widths) - 1
        num_groups = config.num_groups

        def resnets(in_widths: list[int], width: int) -> list[Resnet]:
            return [Resnet(in_width, width, time_width, ops, num_groups, **kw) for in_width in in_widths]

        def attentions(place: str, width: int, number: int) -> list[SpatialTransformer]:
            paths = [f"{place}.attentions.{j}" for j in range(number)]
            sizes = (width, config.num_heads, config.image_channels)
            return [SpatialTransformer(*sizes, ops, path, num_groups, **kw) for path in paths]

        def audio_modules(place: str, in_widths: list[int], width: int) -> list[AudioModule]:
            if config.audio_channels is None:
                return []
            sizes = (config.num_heads, config.audio_channels)
            paths = [f"{place}.audio_modules.{j}" for j in range(len(in_widths))]
            pairs = zip(in_widths, paths, strict=True)
            return [AudioModule(width, in_width, *sizes, ops, path, num_groups, **kw) for in_width, path in pairs]

        def motion_modules(width: int, number: int) -> list[MotionModule]:
            if config.motion_heads is None:
                return []
            return [MotionModule(width, config.motion_heads, ops, num_groups, **kw) for _ in range(number)]

        self.time_embedding = nn.ModuleDict(
            {"linear_1": ops.Linear(widths[0], time_width, **kw), "linear_2": ops.Linear(time_width, time_width, **kw)}
        )
        self.conv_in = ops.Conv2d(config.latent_channels, widths[0], 3, padding=1, **kw)
        self.down_blocks: Layers[Stage] = Layers()
        skip_widths, width = [widths[0]], widths[0]
        for level, out_width in enumerate(widths):
            place, is_deepest = f"down_blocks.{level}", level == deepest
            in_widths = [width] + [out_width] * (config.layers_per_block - 1)
            self.down_blocks.append(
                Stage(
                    resnets(in_widths, out_width),
                    [] if is_deepest else attentions(place, out_width, len(in_widths)),
                    [] if is_deepest else audio_modules(place, in_widths, out_width),
                    motion_modules(out_width, len(in_widths)),
                    downsampler=None if is_deepest else Downsample(out_width, ops, **kw),
                )
            )
            skip_widths += [out_width] * (config.layers_per_block + (not is_deepest))
            width = out_width

        self.mid_block = Stage(
            resnets([width, width], width), attentions("mid_block", width, 1), [], motion_modules(width, 1)
        )

        self.up_blocks: Layers[Stage] = Layers()
        for level in range(deepest, -1, -1):
            in_widths = []
            for _ in range(config.layers_per_block + 1):
                in_widths.append(width + skip_widths.pop())
                width = widths[level]
            num_attentions = 0 if level == deepest else len(in_widths)
            self.up_blocks.append(
                Stage(
                    resnets(in_widths, width),
                    attentions(f"up_blocks.{deepest - level}", width, num_attentions),
                    [],
                    motion_modules(width, len(in_widths)),
                    upsampler=Upsample(width, ops, **kw) if level > 0 else None,
                )
            )

        if config.has_output:
            self.conv_norm_out = ops.GroupNorm(num_groups, widths[0], eps=1e-5, **kw)
            self.conv_out = ops.Conv2d(widths[0], config.latent_channels, 3, padding=1, **kw)

    def embed_time(self, timestep: Tensor, like: Tensor) -> Tensor:
        """timestep [B] -> [B, time width], through the SiLU that every resnet begins with."""
        half = self.config.widths[0] // 2
        frequencies = torch.exp(torch.arange(half, device=timestep.device) * (-math.log(10000.0) / half))
        angles = timestep.float()[:, None] * frequencies
        hidden = torch.cat([angles.cos(), angles.sin()], dim=-1).to(like)
        hidden = F.silu(self.time_embedding["linear_1"](hidden))
        return F.silu(self.time_embedding["linear_2"](hidden))

    def levels(self, x: Tensor, timestep: Tensor, mode: Pass, deep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, width, h, w] after conv_in -> features of the last up block [N, width, h, w], and the deep features.

        deep [N, C, h / 2, w / 2]: what all levels below the first brought up in an earlier call; then only the first
        level runs (DeepCache, arXiv 2312.00858).
        """
        time, skips = self.embed_time(timestep, x), [x]
        if deep is None:
            for level in range(len(self.down_blocks)):
                x = self.down(level, x, time, mode, skips)
            x = self.middle(x, time, mode)
            for block in self.up_blocks[:-1]:
                deep = self.up(block, x, time, mode, skips)
                x = block.upsamplers[0](deep, *skips[-1].shape[-2:])
        else:
            self.down(0, x, time, mode, skips, to_next_level=False)
            x = self.up_blocks[-2].upsamplers[0](deep, *skips[-1].shape[-2:])
        return self.up(self.up_blocks[-1], x, time, mode, skips), deep  # type: ignore[return-value]

    def down(
        self, level: int, x: Tensor, time: Tensor, mode: Pass, skips: list[Tensor], to_next_level: bool = True
    ) -> Tensor:
        """One stage of the way down; adds its skips to the list."""
        block = self.down_blocks[level]
        for j in range(len(block.resnets)):
            x = block.layer(j, x, time, mode, level)
            skips.append(x)
        if to_next_level and len(block.downsamplers):
            x = block.downsamplers[0](x)
            skips.append(x)
        return x

    def middle(self, x: Tensor, time: Tensor, mode: Pass) -> Tensor:
        x = self.mid_block.layer(0, x, time, mode, level=-1)
        return self.mid_block.resnets[1](x, time)

    @staticmethod
    def up(block: Stage, x: Tensor, time: Tensor, mode: Pass, skips: list[Tensor]) -> Tensor:
        """One stage of the way up; takes its skips off the list."""
        for j in range(len(block.resnets)):
            x = block.layer(j, torch.cat([x, with_rows(skips.pop(), like=x)], dim=1), time, mode, level=-1)
        return x

    def read_photo(self, latents: Tensor, image_token: Tensor) -> dict[str, Tensor]:
        """The reference UNet's one pass, at timestep 0: photo latents [1, 4, h, w] -> features [1, n, C] by path."""
        mode = ReadPhoto(image_token)
        self.levels(self.conv_in(channels_last(latents)), torch.zeros(1, device=latents.device), mode)
        return mode.features

    def reference_keys_values(self, features: dict[str, Tensor], image_token: Tensor) -> dict[str, Reference]:
        """The photo's features as the denoising UNet attends to them."""
        return {
            module.path: module.block.keys_values(features[module.path], image_token)
            for module in self.modules()
            if isinstance(module, SpatialTransformer)
        }

    def fused_audio_outputs(self, like: Tensor) -> dict[str, AudioOutput]:
        """Every audio module's output projections and zero convolutions as one product, like the given tensor."""
        return {
            module.path: module.block.fused_output(like) for module in self.modules() if isinstance(module, AudioModule)
        }

    def audio_keys_values(
        self, audio_tokens: Tensor | None, outputs: dict[str, AudioOutput]
    ) -> dict[str, AudioKeysValues]:
        """audio_tokens [F, tokens, D], or None for no speech; outputs from ``fused_audio_outputs``."""
        return {
            module.path: module.block.keys_values(audio_tokens, outputs[module.path])
            for module in self.modules()
            if isinstance(module, AudioModule)
        }

    def forward(
        self, latents: Tensor, timestep: Tensor, context: VideoContext, deep: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Denoise windows -> v-prediction [(rows F), 4, h, w], and the deep features.

        latents [F, 4, h, w], the same for all rows, or [(rows F), 4, h, w]; timestep [1]. deep: a call's deep features,
        which a later call may take in place of all levels below the first.
        """
        x = self.conv_in(channels_last(latents))
        x = x + with_rows(context.pose_features, like=x)
        x, deep = self.levels(x, timestep, Denoise(context), deep)
        return self.conv_out(F.silu(self.conv_norm_out(x))), deep
