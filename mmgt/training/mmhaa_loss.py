"""Stage II's loss: v-prediction under zero terminal SNR, weighted by min-SNR (paper section III-C, eq. 24 and 25).

The inference network is what trains: a clip is one row of a window, with the photo's features made in the same graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion import (
    Parametrisation,
    Prediction,
    Schedule,
    add_noise,
    min_snr_weight_epsilon,
    min_snr_weight_v,
    velocity,
)
from ..errors import InputError
from ..mmhaa.attention import Rows, SpatialTransformer
from ..mmhaa.network import MMHAA
from ..mmhaa.unet import VideoContext

NOISE_OFFSET = 0.05
TRAINED_STRENGTHS = (1.0, 1.0, 1.0)  # of the branches, in the authors' training


@dataclass(frozen=True)
class Clip:
    """F frames of one person, as stage II learns them; for an image network F pictures, each of a person of its own.

    latents [F, 4, h, w] and photo_latents [1 or F, 4, h, w] (scaled); image_token [1 or F, 1, D] of the photo, or of a
    picture of zeros where the photo is dropped; pose_pictures [F, 3, H, W] in 0..1; audio [F, 5, layers, D], None for
    an image network; masks: empty, or for each level of the down path [3 (full, face, lips), F, h w]. hands [F, h w]:
    where they are, for a loss that weighs them; None where nothing does.
    """

    latents: Tensor
    photo_latents: Tensor
    image_token: Tensor
    pose_pictures: Tensor
    audio: Tensor | None = None
    masks: tuple[Tensor, ...] = ()
    hands: Tensor | None = None

    def to(self, device: torch.device) -> Clip:
        return Clip(
            self.latents.to(device),
            self.photo_latents.to(device),
            self.image_token.to(device),
            self.pose_pictures.to(device),
            None if self.audio is None else self.audio.to(device),
            tuple(level.to(device) for level in self.masks),
            None if self.hands is None else self.hands.to(device),
        )


def noise_of(noise: Tensor, offset: Tensor, strength: float = NOISE_OFFSET) -> Tensor:
    """Noise [F, 4, h, w] with an offset [4] (or [F, 4]) of each channel that all frames and places share."""
    return noise + strength * offset.view(-1, noise.shape[1], 1, 1)


def predict(
    networks: MMHAA,
    clip: Clip,
    noisy: Tensor,
    timesteps: Tensor,
    drop_image: bool = False,
    drop_audio: bool = False,
    round_features: bool = False,
    strengths: tuple[float, float, float] = TRAINED_STRENGTHS,
) -> Tensor:
    """The network's answer to a noisy clip [F, 4, h, w] at timesteps [1 or F], with gradients.

    drop_image: the reference UNet does not run, and nothing of the photo is read but ``clip.image_token``. drop_audio:
    the speech's tokens are zero. round_features: the photo's features are rounded to half precision, as the authors do.
    strengths: of the full, face and lips branch.
    """
    given = drop_image, drop_audio, round_features, strengths
    return networks.video_network(noisy, timesteps, clip_context(networks, clip, noisy, *given))[0]


def clip_context(
    networks: MMHAA,
    clip: Clip,
    noisy: Tensor,
    drop_image: bool = False,
    drop_audio: bool = False,
    round_features: bool = False,
    strengths: tuple[float, float, float] = TRAINED_STRENGTHS,
    rows: Rows = (True,),
) -> VideoContext:
    """What the network reads of a clip besides its noisy latents; see ``predict``. rows: of guidance."""
    video = networks.video_network
    if drop_image:
        features = _no_features(networks, noisy)
    else:
        features = networks.reference_unet.read_photo(clip.photo_latents, clip.image_token)
        if round_features:
            features = {path: feature.half().to(feature) for path, feature in features.items()}
    tokens = None if clip.audio is None else video.audioproj(clip.audio) * float(not drop_audio)
    return VideoContext(
        pose_features=video.pose_guider(clip.pose_pictures),
        references=video.reference_keys_values(features, clip.image_token),
        audio=video.audio_keys_values(tokens, video.fused_audio_outputs(noisy)),
        masks=clip.masks,
        strengths=noisy.new_tensor(strengths),
        rows=rows,
    )


def _no_features(networks: MMHAA, like: Tensor) -> dict[str, Tensor]:
    """What a reference UNet that does not run gives: [1, 0, C] for each spatial transformer."""
    return {
        path: like.new_zeros(1, 0, module.block.attn1.to_k.in_features)
        for path, module in networks.video_network.named_modules()
        if isinstance(module, SpatialTransformer)
    }


def region_weights(clip: Clip, face_weight: float, lip_weight: float, hand_weight: float = 0.0) -> Tensor:
    """[F, 1, h, w], 1 in the mean: by how much each place's errors count, by the masks that the clip has."""
    places = len(clip.latents), 1, *clip.latents.shape[-2:]
    _full, face, lips = clip.masks[0].view(3, *places)
    weights = 1 + face_weight * face + lip_weight * lips
    if clip.hands is not None:
        weights = weights + hand_weight * clip.hands.view(places)
    return weights / weights.mean()


@dataclass(frozen=True)
class MMHAALoss:
    """Mean squared error, weighted by min-SNR with ``snr_gamma``.

    prediction: what the network learns, "v" (the authors' code) or "epsilon", the noise (the paper's eq. 24 and 25).
    schedule: of the noise; the authors train with "scaled_linear". face_weight, lip_weight: by which a clip's errors
    count more inside of the branches' masks; the authors have 0. A mouth is two cells of a picture's thousand.
    """

    snr_gamma: float = 5.0
    prediction: Prediction = "v"
    schedule: Schedule = "scaled_linear"
    face_weight: float = 0.0
    lip_weight: float = 0.0

    def __post_init__(self) -> None:
        Parametrisation(self.prediction, self.schedule)  # raises
        if self.snr_gamma <= 0:
            raise InputError(f"the SNR's gamma is {self.snr_gamma}; it must be above 0 (the authors take 5).")
        if min(self.face_weight, self.lip_weight) < 0:
            raise InputError(
                f"the weights of face and lips are {self.face_weight} and {self.lip_weight}; they must be 0 or more."
            )

    @property
    def weighs_regions(self) -> bool:
        return bool(self.face_weight or self.lip_weight)

    @property
    def parametrisation(self) -> Parametrisation:
        return Parametrisation(self.prediction, self.schedule)

    def levels(self, timesteps: Tensor) -> Tensor:
        """alpha_bar of timesteps, on the CPU."""
        return self.parametrisation.alpha_bar[timesteps.cpu()]

    def noisy(self, clip: Clip, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The clip's latents with noise, both [F, 4, h, w], at timesteps [1 or F]."""
        return add_noise(clip.latents, noise, self.levels(timesteps).to(noise))

    def target(self, clip: Clip, noise: Tensor, timesteps: Tensor) -> Tensor:
        if self.prediction == "epsilon":
            return noise
        return velocity(clip.latents, noise, self.levels(timesteps).to(noise))

    def errors(self, predicted: Tensor, clip: Clip, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Mean squared errors before their weights: one for each timestep."""
        squares = (predicted - self.target(clip, noise, timesteps)).square()
        if self.weighs_regions and clip.masks:
            squares = squares * region_weights(clip, self.face_weight, self.lip_weight)
        return squares.unflatten(0, (len(timesteps), -1)).flatten(1).mean(dim=1)

    def weights(self, timesteps: Tensor) -> Tensor:
        weight = min_snr_weight_v if self.prediction == "v" else min_snr_weight_epsilon
        return weight(self.levels(timesteps), self.snr_gamma)

    def __call__(self, predicted: Tensor, clip: Clip, noise: Tensor, timesteps: Tensor) -> Tensor:
        errors = self.errors(predicted, clip, noise, timesteps)
        return (errors * self.weights(timesteps).to(errors)).mean()
