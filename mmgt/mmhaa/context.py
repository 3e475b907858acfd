"""What the video network reads besides the latents, by its own small networks: once per video, and per window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .ahead import WindowInputs
from .attention import AudioOutput, Reference
from .network import Photo, VideoNetwork
from .unet import VideoContext


@dataclass(frozen=True)
class Prepared:
    """What the network makes once per video, in one dtype."""

    references: dict[str, Reference]
    outputs: dict[str, AudioOutput]
    strengths: Tensor


def prepare(network: VideoNetwork, photo: Photo, strengths: Sequence[float], like: Tensor) -> Prepared:
    """The photo's keys and values and the fused audio outputs, in the dtype and on the device of ``like``."""
    photo = photo.to(like)
    references = network.reference_keys_values(photo.features, photo.image_token)
    return Prepared(references, network.fused_audio_outputs(like), torch.tensor(strengths).to(like))


def window_context(
    network: VideoNetwork, inputs: WindowInputs, prepared: Prepared, like: Tensor, num_windows: int = 1
) -> VideoContext:
    """What the network reads for the frames of one window or of several, like the given tensor."""
    tokens = None if inputs.speech is None else network.audioproj(inputs.speech.to(like))
    return VideoContext(
        pose_features=network.pose_guider(inputs.pictures.to(like)),
        references=prepared.references,
        audio=network.audio_keys_values(tokens, prepared.outputs),
        masks=tuple(level.to(like) for level in inputs.masks),
        strengths=prepared.strengths,
        num_windows=num_windows,
    )
