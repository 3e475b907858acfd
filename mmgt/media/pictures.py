"""Pictures on disk."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..output_files import unfinished_file
from ..provenance import Provenance
from ..provenance.pictures import marked
from .files import check_file

logger = logging.getLogger("mmgt")


MAX_MEGAPIXELS = 100


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB in sRGB, turned upright by its EXIF orientation. Transparent pixels lie on white.

    A colour profile (Display P3, Adobe RGB, CMYK, ...) is converted to sRGB; pictures of 16 or 32 bits and of floating
    point are scaled by their range. Raises InputError for anything else, and for more than 100 megapixels.
    """
    from PIL import Image, ImageOps

    check_file(path, "picture", "a png, jpg or webp file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            with Image.open(path) as image:
                if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                    raise Image.DecompressionBombError
                upright = _in_srgb(_eight_bits(ImageOps.exif_transpose(image), path), path).convert("RGBA")
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} has more than {MAX_MEGAPIXELS} megapixels; scale it down: 2 are plenty for a portrait."
        ) from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them
        raise InputError(f"{path} is not a picture that can be read; give a png, jpg or webp file.") from error
    return np.asarray(Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB"))


def _eight_bits(image: Any, path: Path) -> Any:
    """A grey picture of more than 8 bits by its range; others as they are."""
    from PIL import Image

    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image, np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{path} holds NaN or infinite pixels; export it again as 8 or 16 bits.")
    low, high = 0.0, 1.0 if image.mode == "F" else 65535.0
    if values.min() < low or values.max() > high:  # no usual range: its own
        low, high = min(low, values.min()), values.max()
    elif image.mode == "I" and values.max() <= 255:  # 8 bits in a larger box
        high = 255.0
    eight_bits = Image.fromarray(((values - low) / (high - low) * 255).round().astype(np.uint8))
    eight_bits.info = image.info
    return eight_bits


def _in_srgb(image: Any, path: Path) -> Any:
    """A picture with a colour profile in sRGB; its transparency stays."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image
    from PIL import Image, ImageCms

    alpha = image.convert("RGBA").getchannel("A") if image.mode in ("RGBA", "LA", "PA", "P") else None
    colours = image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted: Any = ImageCms.profileToProfile(colours, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        logger.warning("the colour profile of %s cannot be used (%s); its colours are taken as sRGB", path, error)
        return image
    return converted if alpha is None else Image.merge("RGBA", (*converted.split(), alpha))


def write_png(
    path: Path, picture: np.ndarray, *, provenance: Provenance | None = None, is_generated: bool = True
) -> None:
    """Write [H, W, 3] uint8 RGB. It says how it was made, as a video does (see ``write_video``)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    content = buffer.getvalue()
    with unfinished_file(path) as unfinished:
        unfinished.write_bytes(marked(content, provenance or Provenance()) if is_generated else content)


def contact_sheet(frames: list[np.ndarray], num_columns: int) -> np.ndarray:
    """Lay [H, W, 3] uint8 frames of one size side by side, row by row; missing ones are black."""
    missing = -len(frames) % num_columns
    tiles = np.stack([*frames, *[np.zeros_like(frames[0])] * missing])
    rows = tiles.reshape(-1, num_columns, *frames[0].shape)  # [R, columns, H, W, 3]
    return rows.transpose(0, 2, 1, 3, 4).reshape(rows.shape[0] * rows.shape[2], -1, 3)
