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

from .attention import AudioMemory, AudioModule, AudioOutput, Reference, Rows, SpatialTransformer
from .blocks import NUM_GROUPS, Downsample, Resnet, Upsample, with_rows
from .config import UNetConfig
from .motion import MotionModule


@dataclass(frozen=True)
class VideoContext:
    """What the denoising UNet reads besides the latents, for F frames; no step changes it.

    pose_features [F, width, h, w]. references: by path of the spatial transformer. audio: by path of the audio module.
    masks: for each level of the down path [3 (full, face, lip), F, h w]. strengths [3]: weight of each branch; the
    authors' inference takes 1, 1, 2. rows: of each guidance row, whether it sees the photo and hears the speech.
    """

    pose_features: Tensor
    references: dict[str, Reference]
    audio: dict[str, AudioMemory]
    masks: tuple[Tensor, ...]
    strengths: Tensor
    rows: Rows = (False, True)

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
        return module(x, context.references[str(module.path)], context.num_frames, context.rows)

    def audio(self, module: AudioModule, x: Tensor, level: int) -> Tensor:
        context = self.context
        return module(x, context.audio[str(module.path)], context.masks[level], context.strengths, context.rows)

    def motion(self, module: MotionModule, x: Tensor) -> Tensor:
        return module(x, self.context.num_frames)


@dataclass(frozen=True)
class ReadPhoto:
    """Collects the features of every spatial transformer. image_token [1, 1, D]."""

    image_token: Tensor
    features: dict[str, Tensor] = field(default_factory=dict)

    def spatial(self, module: SpatialTransformer, x: Tensor) -> Tensor:
        x, self.features[str(module.path)] = module.write(x, self.image_token)
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
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        for name, modules in (
            ("attentions", attentions),
            ("audio_modules", audio_modules),
            ("motion_modules", motion_modules),
        ):
            setattr(self, name, nn.ModuleList(modules) if modules else None)

    def layer(self, j: int, x: Tensor, time: Tensor, run: Pass, level: int) -> Tensor:
        x = self.resnets[j](x, time)
        return self.after_resnet(j, x, run, level)

    def after_resnet(self, j: int, x: Tensor, run: Pass, level: int) -> Tensor:
        if self.attentions is not None:
            x = run.spatial(self.attentions[j], x)
        if self.audio_modules is not None:
            x = run.audio(self.audio_modules[j], x, level)
        if self.motion_modules is not None:
            x = run.motion(self.motion_modules[j], x)
        return x


class UNet(nn.Module):
    """Both UNets; the config says which modules it has. Build it on ``meta`` and load strictly."""

    def __init__(self, config: UNetConfig, ops: Any = nn, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.config = config
        kw = {"device": device, "dtype": dtype}
        widths, time_width = config.widths, 4 * config.widths[0]
        deepest = len(widths) - 1

        def stage(in_widths: list[int], width: int, with_attention: bool, with_audio: bool = False) -> Stage:
            layers = range(len(in_widths))
            motion = layers if config.motion_heads is not None else ()
            audio = layers if with_audio and config.audio_channels is not None else ()
            heads = config.num_heads
            return Stage(
                [Resnet(in_width, width, time_width, ops, **kw) for in_width in in_widths],
                [SpatialTransformer(width, heads, config.image_channels, ops, **kw) for _ in layers if with_attention],
                [AudioModule(width, in_widths[j], heads, config.audio_channels or 0, ops, **kw) for j in audio],
                [MotionModule(width, config.motion_heads or 0, ops, **kw) for _ in motion],
            )

        self.time_embedding = nn.ModuleDict(
            {"linear_1": ops.Linear(widths[0], time_width, **kw), "linear_2": ops.Linear(time_width, time_width, **kw)}
        )
        self.conv_in = ops.Conv2d(config.latent_channels, widths[0], 3, padding=1, **kw)
        self.down_blocks = nn.ModuleList()
        skip_widths, width = [widths[0]], widths[0]
        for level, out_width in enumerate(widths):
            in_widths = [width] + [out_width] * (config.layers_per_block - 1)
            block = stage(in_widths, out_width, with_attention=level < deepest, with_audio=level < deepest)
            if level < deepest:
                block.downsamplers = nn.ModuleList([Downsample(out_width, ops, **kw)])
            skip_widths += [out_width] * (config.layers_per_block + (level < deepest))
            self.down_blocks.append(block)
            width = out_width

        self.mid_block = stage([width, width], width, with_attention=True)
        for name in ("attentions", "motion_modules"):  # the middle has one of each, between its two resnets
            modules = getattr(self.mid_block, name)
            setattr(self.mid_block, name, None if modules is None else modules[:1])

        self.up_blocks = nn.ModuleList()
        for level in range(deepest, -1, -1):
            in_widths = []
            for _ in range(config.layers_per_block + 1):
                in_widths.append(width + skip_widths.pop())
                width = widths[level]
            block = stage(in_widths, width, with_attention=level < deepest)
            if level > 0:
                block.upsamplers = nn.ModuleList([Upsample(width, ops, **kw)])
            self.up_blocks.append(block)

        if config.has_output:
            self.conv_norm_out = ops.GroupNorm(NUM_GROUPS, widths[0], eps=1e-5, **kw)
            self.conv_out = ops.Conv2d(widths[0], config.latent_channels, 3, padding=1, **kw)
        for path, module in self.named_modules():
            if isinstance(module, (SpatialTransformer, AudioModule)):
                module.path = path  # type: ignore[assignment]

    def embed_time(self, timestep: Tensor, like: Tensor) -> Tensor:
        """timestep [B] -> [B, time width], through the SiLU that every resnet begins with."""
        half = self.config.widths[0] // 2
        frequencies = torch.exp(torch.arange(half, device=timestep.device) * (-math.log(10000.0) / half))
        angles = timestep.float()[:, None] * frequencies
        hidden = torch.cat([angles.cos(), angles.sin()], dim=-1).to(like)
        hidden = F.silu(self.time_embedding["linear_1"](hidden))
        return F.silu(self.time_embedding["linear_2"](hidden))

    def run(self, x: Tensor, timestep: Tensor, run: Pass, deep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [N, width, h, w] after conv_in -> features of the last up block [N, width, h, w], and the deep features.

        deep [N, C, h / 2, w / 2]: what all levels below the first brought up in an earlier call; given, only the first
        level runs (DeepCache, arXiv 2312.00858).
        """
        time, skips = self.embed_time(timestep, x), [x]
        for level, block in enumerate(self.down_blocks if deep is None else self.down_blocks[:1]):
            for j in range(len(block.resnets)):
                x = block.layer(j, x, time, run, level)
                skips.append(x)
            if hasattr(block, "downsamplers") and deep is None:
                x = block.downsamplers[0](x)
                skips.append(x)

        if deep is None:
            x = self.mid_block.layer(0, x, time, run, level=-1)
            x = self.mid_block.resnets[1](x, time)
            for block in self.up_blocks[:-1]:
                deep = self.up(block, x, time, run, skips)
                x = block.upsamplers[0](deep, *skips[-1].shape[-2:])
        else:
            x = self.up_blocks[-2].upsamplers[0](deep, *skips[-1].shape[-2:])
        return self.up(self.up_blocks[-1], x, time, run, skips), deep  # type: ignore[return-value]

    @staticmethod
    def up(block: Stage, x: Tensor, time: Tensor, run: Pass, skips: list[Tensor]) -> Tensor:
        """One stage of the way up; takes its skips off the list."""
        for j in range(len(block.resnets)):
            x = block.layer(j, torch.cat([x, with_rows(skips.pop(), like=x)], dim=1), time, run, level=-1)
        return x

    def read_photo(self, latents: Tensor, image_token: Tensor) -> dict[str, Tensor]:
        """The reference UNet's one pass, at timestep 0: photo latents [1, 4, h, w] -> features [1, n, C] by path."""
        run = ReadPhoto(image_token)
        self.run(self.conv_in(latents), torch.zeros(1, device=latents.device), run)
        return run.features

    def remember(self, features: dict[str, Tensor], image_token: Tensor) -> dict[str, Reference]:
        """The photo's features as the denoising UNet's keys and values."""
        return {
            path: module.block.remember(features[path], image_token)
            for path, module in self.named_modules()
            if isinstance(module, SpatialTransformer)
        }

    def fold(self, like: Tensor) -> dict[str, AudioOutput]:
        """Every audio module's output projections and zero convolutions as one product, like the given tensor."""
        return {
            path: module.block.fold(like) for path, module in self.named_modules() if isinstance(module, AudioModule)
        }

    def listen(self, audio_tokens: Tensor | None, outputs: dict[str, AudioOutput]) -> dict[str, AudioMemory]:
        """audio_tokens [F, tokens, D], or None for no speech -> what each audio module hears; outputs from ``fold``."""
        return {
            path: module.block.listen(audio_tokens, outputs[path])
            for path, module in self.named_modules()
            if isinstance(module, AudioModule)
        }

    def forward(
        self, latents: Tensor, timestep: Tensor, context: VideoContext, deep: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Denoise a window -> v-prediction [(rows F), 4, h, w], and the deep features.

        latents [F, 4, h, w], the same for all rows, or [(rows F), 4, h, w]; timestep [1]. deep: a call's deep features,
        which a later call may take in place of all levels below the first.
        """
        x = self.conv_in(latents)
        x, deep = self.run(x + with_rows(context.pose_features, like=x), timestep, Denoise(context), deep)
        return self.conv_out(F.silu(self.conv_norm_out(x))), deep
