"""Frames kept on the disk to the bit, in FFmpeg's FFV1: half the size of PNG files, and one file for many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .files import import_av, local

PIXELS = "bgr0"  # 8 bits of each colour, as they are


def write_lossless(path: Path, frames: Iterable[np.ndarray]) -> None:
    """Write [H, W, 3] uint8 RGB frames, one or more, as Matroska whatever the path's ending."""
    av = import_av()
    with av.open(local(path), "w", format="matroska") as container:
        video = None
        for frame in frames:
            if video is None:
                video = container.add_stream("ffv1", rate=25)
                video.height, video.width, video.pix_fmt = *frame.shape[:2], PIXELS
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=PIXELS)))
        if video is not None:
            container.mux(video.encode(None))


def read_lossless(path: Path) -> Iterator[np.ndarray]:
    """The frames that ``write_lossless`` wrote."""
    with import_av().open(local(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
