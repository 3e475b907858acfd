"""Stage II's loss: v-prediction under zero terminal SNR, weighted by min-SNR (paper section III-C, eq. 24 and 25).

The inference network is what trains: a clip is one row of a window, with the photo's features made in the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..diffusion import min_snr_weight_v, scaled_linear_alpha_bar_zero_snr, velocity
from ..mmhaa.attention import SpatialTransformer
from ..mmhaa.network import MMHAA
from ..mmhaa.unet import VideoContext

NOISE_OFFSET = 0.05


@dataclass(frozen=True)
class Clip:
    """F frames of one person, as stage II learns them.

    latents [F, 4, h, w] and photo_latents [1, 4, h, w] (scaled); image_token [1, 1, D] of the photo, or of a picture of
    zeros where the photo is dropped; pose_pictures [F, 3, H, W] in 0..1; audio [F, 5, layers, D], None for an image
    network; masks: for each level of the down path [3 (full, face, lips), F, h w].
    """

    latents: Tensor
    photo_latents: Tensor
    image_token: Tensor
    pose_pictures: Tensor
    audio: Tensor | None = None
    masks: tuple[Tensor, ...] = ()


def noise_of(noise: Tensor, offset: Tensor, strength: float = NOISE_OFFSET) -> Tensor:
    """Noise [F, 4, h, w] with an offset [4] of each channel that all frames and places share."""
    return noise + strength * offset.view(1, -1, 1, 1)


def predict_v(
    networks: MMHAA,
    clip: Clip,
    noisy: Tensor,
    timestep: Tensor,
    drop_image: bool = False,
    drop_audio: bool = False,
    round_features: bool = False,
) -> Tensor:
    """v of a noisy clip [F, 4, h, w] at timestep [1], with gradients.

    drop_image: the reference UNet does not run, and nothing of the photo is read but ``clip.image_token``. drop_audio:
    the speech's tokens are zero. round_features: the photo's features are rounded to half precision, as the authors do.
    """
    video = networks.video_network
    if drop_image:
        features = _no_features(networks, noisy)
    else:
        features = networks.reference_unet.read_photo(clip.photo_latents, clip.image_token)
        if round_features:
            features = {path: feature.half().to(feature) for path, feature in features.items()}
    tokens = None if clip.audio is None else video.audioproj(clip.audio) * float(not drop_audio)
    context = VideoContext(
        pose_features=video.pose_guider(clip.pose_pictures),
        references=video.reference_keys_values(features, clip.image_token),
        audio=video.audio_keys_values(tokens, video.fused_audio_outputs(noisy)),
        masks=clip.masks,
        strengths=noisy.new_ones(3),
        rows=(True,),
    )
    return video(noisy, timestep, context)[0]


def _no_features(networks: MMHAA, like: Tensor) -> dict[str, Tensor]:
    """What a reference UNet that does not run gives: [1, 0, C] for each spatial transformer."""
    return {
        path: like.new_zeros(1, 0, module.block.attn1.to_k.in_features)
        for path, module in networks.video_network.named_modules()
        if isinstance(module, SpatialTransformer)
    }


@dataclass(frozen=True)
class MMHAALoss:
    """Mean squared error of v, weighted by min-SNR with ``snr_gamma``."""

    snr_gamma: float = 5.0

    def error(self, predicted: Tensor, clip: Clip, noise: Tensor, timestep: int) -> Tensor:
        """A clip's mean squared error, before its weight: []."""
        alpha_bar = scaled_linear_alpha_bar_zero_snr()[timestep : timestep + 1].to(predicted)
        return (predicted - velocity(clip.latents, noise, alpha_bar)).square().mean()

    def weight(self, timestep: int) -> float:
        return float(min_snr_weight_v(scaled_linear_alpha_bar_zero_snr()[timestep], self.snr_gamma))

    def __call__(self, predicted: Tensor, clip: Clip, noise: Tensor, timestep: int) -> Tensor:
        return self.error(predicted, clip, noise, timestep) * self.weight(timestep)
