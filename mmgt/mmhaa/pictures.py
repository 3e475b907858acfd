"""Photo and pose pictures -> what stage II's networks take (paper section IV-A; exact at 512 x 512 px)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError

LATENT_PX = 8  # one latent cell is 8 x 8 px
NETWORK_PX = 64  # the UNet halves the latents three times
TRAINED_PX = 512  # side of the authors' training pictures
MIN_PX, MAX_PX = 32, 4096  # of a video
CLIP_PX = 224
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class PictureSize:
    """Size of the video, and of the canvas that the network works on: padded at the right and bottom to 64 px."""

    height_px: int
    width_px: int

    def __post_init__(self) -> None:
        for name, size in (("height", self.height_px), ("width", self.width_px)):
            if not MIN_PX <= size <= MAX_PX:
                raise InputError(
                    f"the video's {name} is {size} px; it must be {MIN_PX} to {MAX_PX} px (the network was trained "
                    f"on {TRAINED_PX}). Crop the photo or give another size."
                )

    @classmethod
    def of_photo(
        cls,
        photo_height_px: int,
        photo_width_px: int,
        height_px: int = 0,
        width_px: int = 0,
        trained_px: int = TRAINED_PX,
    ) -> PictureSize:
        """The wanted size; where a side is 0, the photo's aspect decides. Both 0: about the area of the pictures that
        the network was trained on, squares of ``trained_px``."""
        aspect = photo_width_px / photo_height_px
        if height_px == 0 and width_px == 0:
            height_px = _even(trained_px / math.sqrt(aspect))
        return cls(height_px or _even(width_px / aspect), width_px or _even(height_px * aspect))

    @property
    def canvas_height_px(self) -> int:
        return -(-self.height_px // NETWORK_PX) * NETWORK_PX

    @property
    def canvas_width_px(self) -> int:
        return -(-self.width_px // NETWORK_PX) * NETWORK_PX

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Latent cells: height, width."""
        return self.canvas_height_px // LATENT_PX, self.canvas_width_px // LATENT_PX

    def pad(self, picture: np.ndarray, mode: str) -> np.ndarray:
        """[height, width, ...] -> the canvas; mode is numpy's: "edge" repeats the border, "constant" is black."""
        rows, columns = self.canvas_height_px - self.height_px, self.canvas_width_px - self.width_px
        if rows == columns == 0:
            return picture
        return np.pad(picture, ((0, rows), (0, columns), *[(0, 0)] * (picture.ndim - 2)), mode)  # type: ignore[call-overload]


def _even(length_px: float) -> int:
    return max(2, 2 * round(length_px / 2))


def photo_canvas(picture: np.ndarray, size: PictureSize) -> np.ndarray:
    """The photo [H, W, 3] uint8 as the VAE takes it: resized by Lanczos to the video's size, then padded."""
    return size.pad(_resized(picture, size.height_px, size.width_px), "edge")


def _resized(picture: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    from PIL import Image

    resized = Image.fromarray(picture).resize((width_px, height_px), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def clip_square(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 -> [224, 224, 3] uint8: the whole picture is squeezed to a square, as the authors do."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((CLIP_PX, CLIP_PX), Image.Resampling.BICUBIC))


def photo_for_clip(picture: np.ndarray) -> Tensor:
    """[H, W, 3] uint8 -> [1, 3, 224, 224], normalised."""
    scaled = torch.from_numpy(clip_square(picture).astype(np.float32) / 255)
    return ((scaled - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_DEVIATION)).permute(2, 0, 1)[None]


def picture_for_network(picture: np.ndarray, size: PictureSize) -> Tensor:
    """[H, W, 3] uint8 -> [3, H, W] of the canvas in 0..1, by Lanczos: a pose picture, on black."""
    canvas = size.pad(_resized(picture, size.height_px, size.width_px), "constant")
    return torch.from_numpy(canvas.astype(np.float32) / 255).permute(2, 0, 1)
