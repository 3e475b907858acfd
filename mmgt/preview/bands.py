"""Large pictures in little memory, with a look at the caller's cancel in between.

Colours a band of rows at a time, shapes at a size beyond which their soft edges gain nothing. A picture of the default
size is one band, and its shapes have its own size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Between = Callable[[], object]  # called between steps; may raise to cancel

BAND_PX = 2**20  # of a band, without its margins: 0.1 to 0.3 s of work
SHAPE_SIDE_PX = 1024  # masks are soft over 4 px of this size


def go_on() -> None:
    """Between steps that nobody cancels."""


def bands(height_px: int, width_px: int) -> Iterator[slice]:
    """The rows of a picture, a band after the other."""
    num_rows = max(1, BAND_PX // width_px)
    return (slice(start, min(start + num_rows, height_px)) for start in range(0, height_px, num_rows))


def by_rows(compute: Callable[..., np.ndarray], *planes: np.ndarray, reach_px: int = 0, between: Between) -> np.ndarray:
    """What ``compute(*planes)`` makes of planes [H, W, ...], computed a band of rows after the other.

    reach_px: from how far away rows act on a row. between: called before each band.
    """
    height_px, width_px = planes[0].shape[:2]
    whole: np.ndarray | None = None
    for rows in bands(height_px, width_px):
        between()
        first, end = max(0, rows.start - reach_px), rows.stop
        band = compute(*(plane[first : end + reach_px] for plane in planes))[rows.start - first :][: end - rows.start]
        if len(band) == height_px:
            return band
        if whole is None:
            whole = np.empty((height_px, *band.shape[1:]), band.dtype)
        whole[rows] = band
    assert whole is not None
    return whole


def as_shape(plane: np.ndarray) -> np.ndarray:
    """A plane [H, W, ...] within ``SHAPE_SIDE_PX``; the same array where it is. A mask of bool stays one."""
    import cv2

    height_px, width_px = plane.shape[:2]
    zoom = SHAPE_SIDE_PX / max(height_px, width_px)
    if zoom >= 1:
        return plane
    size = max(1, round(zoom * width_px)), max(1, round(zoom * height_px))
    if plane.dtype == bool:
        return cv2.resize(plane.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


def as_large(shape: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """A shape [h, w] float32 back at the picture's size; the same array where it is."""
    import cv2

    if shape.shape == (height_px, width_px):
        return shape
    return cv2.resize(shape, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
