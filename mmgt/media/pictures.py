"""Pictures on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .files import check_file, check_output


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB, turned upright by its EXIF orientation. Transparent pixels lie on white."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    check_file(path, "picture", "a png, jpg or webp file")
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is not a picture that can be read; give a png, jpg or webp file.") from error
    return np.asarray(Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB"))


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB."""
    from PIL import Image

    check_output(path)
    Image.fromarray(picture).save(path)


def contact_sheet(frames: list[np.ndarray], num_columns: int) -> np.ndarray:
    """Lay [H, W, 3] uint8 frames of one size side by side, row by row; missing ones are black."""
    missing = -len(frames) % num_columns
    tiles = np.stack([*frames, *[np.zeros_like(frames[0])] * missing])
    rows = tiles.reshape(-1, num_columns, *frames[0].shape)  # [R, columns, H, W, 3]
    return rows.transpose(0, 2, 1, 3, 4).reshape(rows.shape[0] * rows.shape[2], -1, 3)
