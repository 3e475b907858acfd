"""The photo as stage II reads it: core's VAE and CLIP, then the reference UNet, once per photo."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import numpy as np
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...mmgt.errors import InputError
from ...mmgt.mmhaa.config import NO_CLIP
from ...mmgt.mmhaa.network import Photo
from ...mmgt.mmhaa.pictures import PictureSize, clip_square, photo_canvas
from .runtime import on_device
from .sampling import ACTIVATIONS, VideoModel, load_video_model

READER = "mmgt_photo_reader"


@dataclass(frozen=True)
class _Read:
    """The last photo, and what it was read from: the same again gives the same features."""

    picture: np.ndarray
    size: PictureSize
    vae: Callable[[], Any]
    clip_vision: Callable[[], Any]
    photo: Photo


class PhotoReader:
    """Belongs to a MODEL and its clones; keeps the last photo, so that another seed reads nothing again."""

    def __init__(self, reference: ModelPatcher, compute_dtype: torch.dtype) -> None:
        self.reference, self.compute_dtype = reference, compute_dtype
        self.last: _Read | None = None

    def read(self, picture: np.ndarray, size: PictureSize, vae: Any, clip_vision: Any, to_network: Callable) -> Photo:
        """picture [H, W, 3] uint8; to_network scales the VAE's latents. Raises InputError for a foreign VAE or CLIP.

        clip_vision: None for a network without CLIP.
        """
        last = self.last
        same = last is not None and last.vae() is vae and last.clip_vision() is clip_vision and last.size == size
        if last is not None and same and np.array_equal(last.picture, picture):
            return last.photo
        image_channels = self.reference.model.config.image_channels
        check_clip(clip_vision, image_channels)
        latents = to_network(encode_photo(vae, picture, size))
        token = image_token(clip_vision, picture, image_channels)
        channels, (height, width) = self.reference.model.config.widths[0], size.latent_shape
        numbers = ACTIVATIONS * channels * height * width
        network, device = on_device(self.reference, numbers * comfy.model_management.dtype_size(self.compute_dtype))
        latents, token = (tensor.to(device, self.compute_dtype) for tensor in (latents, token))
        photo = Photo(network.read_photo(latents, token), token)
        kept = photo.to(torch.empty(0, dtype=self.compute_dtype, device=comfy.model_management.intermediate_device()))
        seen_by = (lambda: None) if clip_vision is None else weakref.ref(clip_vision)
        self.last = _Read(picture, size, weakref.ref(vae), seen_by, kept)
        return kept


def load_photo_and_video_model(path: Any, weight_dtype: str) -> ModelPatcher:
    """MODEL of stage II, with its ``PhotoReader`` attached."""
    model, reference = load_video_model(path, weight_dtype)
    model.set_attachments(READER, PhotoReader(reference, model.model.compute_dtype))
    return model


def read_photo(model: ModelPatcher, picture: np.ndarray, size: PictureSize, vae: Any, clip_vision: Any) -> Photo:
    """The photo [H, W, 3] uint8 as a MODEL from Load MM-HAA Model reads it. Raises InputError."""
    check_model(model)
    return model.get_attachment(READER).read(picture, size, vae, clip_vision, model.model.process_latent_in)


def check_model(model: ModelPatcher) -> None:
    """Raise InputError unless a MODEL is stage II's."""
    if not isinstance(model.model, VideoModel):
        raise InputError(
            f"this MODEL is {type(model.model).__name__}, not the MM-HAA video network; take Load MM-HAA Model."
        )


def encode_photo(vae: Any, picture: np.ndarray, size: PictureSize) -> Tensor:
    """The VAE's latents [1, 4, h, w] (unscaled) of the photo on the canvas."""
    advice = "take sd-vae-ft-mse (any VAE of Stable Diffusion 1.5)"
    if getattr(vae, "latent_channels", 4) != 4:
        raise InputError(f"this VAE has {vae.latent_channels} latent channels, the video network 4; {advice}.")
    pixels = torch.from_numpy(photo_canvas(picture, size).astype(np.float32) / 255)[None]
    latents = vae.encode(pixels)
    if latents.shape[1:] != (4, *size.latent_shape):
        raise InputError(f"this VAE makes latents {list(latents.shape)}, not [1, 4, h/8, w/8]; {advice}.")
    if not torch.isfinite(latents).all():
        raise InputError("the VAE gave NaN for this photo; start ComfyUI with --fp32-vae, or " + advice + ".")
    return latents


def check_clip(clip_vision: Any, image_channels: int) -> None:
    """Raise InputError where there is no CLIP, and the network wants its token."""
    if clip_vision is None and image_channels != NO_CLIP:
        raise InputError(
            "this video network reads the photo through CLIP, too; connect Load CLIP Vision with the image encoder of "
            "sd-image-variations (CLIP ViT-L/14) to clip_vision."
        )


def image_token(clip_vision: Any, picture: np.ndarray, image_channels: int) -> Tensor:
    """CLIP's projected embedding of the photo, squeezed to a square: [1, 1, D]; zero for a network without CLIP."""
    if image_channels == NO_CLIP:
        return torch.zeros(1, 1, NO_CLIP)
    square = torch.from_numpy(clip_square(picture).astype(np.float32) / 255)[None]
    embedding = getattr(clip_vision.encode_image(square), "image_embeds", None)
    if embedding is None or embedding.shape != (1, image_channels):
        found = "no image embedding" if embedding is None else f"an embedding of {list(embedding.shape)}"
        raise InputError(
            f"this CLIP_VISION gives {found}, the video network takes [1, {image_channels}]; take the image encoder of "
            "sd-image-variations (CLIP ViT-L/14)."
        )
    return embedding[:, None]
