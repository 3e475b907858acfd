"""Photo, pose pictures and masks -> what stage II's networks take (paper section IV-A; exact at 512 x 512 px)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NUM_MASK_LEVELS = 3  # audio modules live at 1, 1/2 and 1/4 of the latent size
BLUR_PX = 64  # masks are blurred at this size, whatever the picture's
FACE_BLUR, LIP_BLUR = 31, 21  # kernel sizes in px
CLIP_PX = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def photo_for_clip(picture: np.ndarray) -> Tensor:
    """[H, W, 3] uint8 -> [1, 3, 224, 224], normalised. The whole picture is squeezed to a square, as the authors do."""
    from PIL import Image

    small = Image.fromarray(picture).resize((CLIP_PX, CLIP_PX), Image.Resampling.BICUBIC)
    scaled = torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)
    return ((scaled - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_DEVIATION)).permute(2, 0, 1)[None]


def picture_for_network(picture: np.ndarray, height_px: int, width_px: int) -> Tensor:
    """[H, W, 3] uint8 -> [1, 3, height, width] in 0..1, by Lanczos: pose pictures; times 2 - 1 the VAE's input."""
    from PIL import Image

    resized = Image.fromarray(picture).resize((width_px, height_px), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(resized, dtype=np.float32) / 255).permute(2, 0, 1)[None]


def blurred_mask(mask: np.ndarray, kernel_px: int) -> np.ndarray:
    """One mask [H, W] uint8 0..255 -> [64, 64] uint8, blurred and stretched to 0..255.

    A mask that is the same everywhere (nothing or everything moves) becomes zero.
    """
    import cv2

    small = cv2.resize(mask, (BLUR_PX, BLUR_PX), interpolation=cv2.INTER_LINEAR)
    blurred = cv2.GaussianBlur(small, (kernel_px, kernel_px), 0)
    return cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def mask_pyramid(masks: np.ndarray, kernel_px: int, height: int, width: int) -> list[Tensor]:
    """Masks [F, H, W] uint8 -> [F, h w] float32 0..1 for each level: height x width (of the latents), half, quarter."""
    from PIL import Image

    blurred = [Image.fromarray(blurred_mask(mask, kernel_px)) for mask in masks]
    levels = []
    for level in range(NUM_MASK_LEVELS):
        size = (width >> level, height >> level)
        resized = [np.asarray(mask.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) for mask in blurred]
        levels.append(torch.from_numpy(np.stack(resized) / 255).flatten(1))
    return levels


def network_masks(face: np.ndarray, lips: np.ndarray, height: int, width: int) -> tuple[Tensor, ...]:
    """Face and lip masks [F, H, W] uint8 -> for each level [3 (full, face, lip), F, h w] for latents of height x width.

    full is 1 + lips, as the authors' inference has it: everything, and the lips twice.
    """
    face_levels = mask_pyramid(face, FACE_BLUR, height, width)
    lip_levels = mask_pyramid(lips, LIP_BLUR, height, width)
    return tuple(torch.stack([1 + b, a, b]) for a, b in zip(face_levels, lip_levels, strict=True))
