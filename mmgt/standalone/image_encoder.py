"""The CLIP image encoder of sd-image-variations (transformers): a photo -> the one token that MM-HAA attends to."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..mmhaa.pictures import CLIP_PX, photo_for_clip
from ..weights import load_strictly, open_checkpoint, recognise
from ..weights.files import config_number, published_config, weights_file

IMAGE_ENCODER_ADVICE = "take image_encoder of sd-image-variations-diffusers (CLIP ViT-L/14)"
HEAD_WIDTH = 64  # of CLIP's vision transformers, so ViT-L/14 has 16 heads
POSITION_IDS = "vision_model.embeddings.position_ids"  # 0, 1, 2, ...: in files of transformers before 4.31


def load_image_encoder(path: Path) -> Any:
    """transformers' CLIPVisionModelWithProjection from a file or a folder.

    Sizes are read from the tensors. The number of heads cannot be: width / 64, unless the file's metadata or the
    folder's config.json says otherwise (``num_attention_heads``). On the CPU, in the file's dtype. Raises InputError.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    checkpoint = open_checkpoint(weights_file(path), IMAGE_ENCODER_ADVICE)
    tensors = {key: value for key, value in checkpoint.tensors.items() if key != POSITION_IDS}
    try:
        sizes = image_encoder_sizes(tensors)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{checkpoint.path} is {recognise(tensors)}, not a CLIP image encoder with its projection; "
            f"{IMAGE_ENCODER_ADVICE}."
        ) from error
    if sizes["image_size"] != CLIP_PX:
        raise InputError(
            f"{checkpoint.path} is a CLIP image encoder for pictures of {sizes['image_size']} px, but MM-HAA was "
            f"trained with one for {CLIP_PX} px; {IMAGE_ENCODER_ADVICE}."
        )
    published, usual = published_config(checkpoint), max(1, sizes["hidden_size"] // HEAD_WIDTH)
    num_heads = config_number(checkpoint, published, "num_attention_heads", usual)
    config = CLIPVisionConfig(**sizes, num_attention_heads=num_heads, hidden_act="quick_gelu", layer_norm_eps=1e-5)
    with torch.device("meta"):
        encoder = CLIPVisionModelWithProjection(config)
    load_strictly(encoder, tensors, str(checkpoint.path))
    embeddings = encoder.vision_model.embeddings
    embeddings.position_ids = torch.arange(embeddings.num_positions)[None]
    return encoder.eval().requires_grad_(False)


def image_encoder_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of CLIPVisionConfig that can be read from a state dict."""
    layers = [
        int(m[1]) for key in tensors if (m := re.match(r"vision_model\.encoder\.layers\.(\d+)\.mlp\.fc1\.weight", key))
    ]
    projection_dim, hidden_size = tensors["visual_projection.weight"].shape
    patch_size = tensors["vision_model.embeddings.patch_embedding.weight"].shape[-1]
    num_positions = tensors["vision_model.embeddings.position_embedding.weight"].shape[0]
    return {
        "hidden_size": hidden_size,
        "intermediate_size": tensors["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0],
        "num_hidden_layers": 1 + max(layers),
        "patch_size": patch_size,
        "image_size": math.isqrt(num_positions - 1) * patch_size,
        "projection_dim": projection_dim,
    }


@torch.inference_mode()
def encode_photo(encoder: Any, picture: np.ndarray) -> Tensor:
    """[H, W, 3] uint8 -> the image token [1, 1, D]."""
    pixels = photo_for_clip(picture).to(encoder.device, encoder.dtype)
    return encoder(pixel_values=pixels).image_embeds[:, None]
