"""Whether a batch of pictures fits into memory, asked before the work."""

from __future__ import annotations

from .errors import InputError

FREE_SHARE = 0.9  # of the free memory that a batch may take
FLOAT_BYTES = 4


def check_batch(
    what: str, num_frames: int, height_px: int, width_px: int, channels: int, free_bytes: int, instead: str
) -> None:
    """Raise InputError if a float32 batch [num_frames, height, width, channels] does not fit into ``free_bytes``.

    what: the batch in words. instead: what to do about it, as the end of a sentence.
    """
    needed = num_frames * height_px * width_px * channels * FLOAT_BYTES
    if needed > FREE_SHARE * free_bytes:
        raise InputError(
            f"{what}: {num_frames} of {width_px}x{height_px} px take {needed / 2**30:.1f} GB of memory, "
            f"{free_bytes / 2**30:.1f} GB are free; {instead}."
        )
