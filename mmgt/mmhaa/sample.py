"""The denoising loop of stage II as the authors run it: windows, averaging, guidance, DDIM (paper section IV-A)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..diffusion import NUM_TRAIN_STEPS, ddim_step_v, linear_alpha_bar_zero_snr, trailing_times
from ..windows import looped_windows, open_windows
from .unet import UNet, VideoContext


@dataclass(frozen=True)
class VideoSettings:
    """num_steps, guidance, window and overlap in frames; looped: the last window wraps to the first frames."""

    num_steps: int = 30
    guidance: float = 3.5
    window: int = 12
    overlap: int = 4
    looped: bool = False

    def windows(self, num_frames: int) -> list[list[int]]:
        make = looped_windows if self.looped else open_windows
        return make(num_frames, self.window, self.overlap)


def window_of(context: VideoContext, frames: Tensor) -> VideoContext:
    """The context of some frames [F] of a video."""
    return replace(
        context,
        audio={path: memory.frames(frames) for path, memory in context.audio.items()},
        masks=tuple(level[:, frames] for level in context.masks),
        num_frames=len(frames),
    )


def predict_video(
    unet: UNet, latents: Tensor, timestep: int, pose_features: Tensor, context: VideoContext, settings: VideoSettings
) -> Tensor:
    """Guided v of all frames: latents [F, 4, h, w] -> [F, 4, h, w].

    Windows are averaged where they overlap, first, and then guidance is applied.
    """
    total = latents.new_zeros(2, *latents.shape)
    count = latents.new_zeros(len(latents), 1, 1, 1)
    time = torch.tensor([timestep], device=latents.device)
    for window in settings.windows(len(latents)):
        frames = torch.tensor(window, device=latents.device)
        v = unet(latents[frames], time, pose_features[frames], window_of(context, frames))  # [(2 F), 4, h, w]
        total[:, frames] += v.unflatten(0, (2, -1))
        count[frames] += 1
    without, with_speech = (total / count).unbind(0)
    return without + settings.guidance * (with_speech - without)


@torch.inference_mode()
def sample_latents(
    unet: UNet,
    noise: Tensor,
    pose_features: Tensor,
    context: VideoContext,
    settings: VideoSettings = VideoSettings(),
    progress: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """DDIM with the authors' timesteps: noise [F, 4, h, w] -> latents of the same shape.

    The step from t leads to t - 1000 // num_steps, which is not always the next timestep of the list.
    progress(step, num_steps, latents) after each step.
    """
    alpha_bar = linear_alpha_bar_zero_snr().to(noise)
    latents = noise
    for step_idx, t in enumerate(trailing_times(settings.num_steps)):
        v = predict_video(unet, latents, t, pose_features, context, settings)
        later = t - NUM_TRAIN_STEPS // settings.num_steps
        latents = ddim_step_v(latents, v, alpha_bar[t], alpha_bar[later] if later >= 0 else 1.0)
        if progress is not None:
            progress(step_idx + 1, settings.num_steps, latents)
    return latents
