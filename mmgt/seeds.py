"""Seeds: every random draw takes one."""

from __future__ import annotations

from .errors import InputError

NUM_SEEDS = 2**64  # as ComfyUI counts them, and torch's generators


def check_seed(seed: int) -> None:
    """Raise InputError unless it is 0 .. 2^64 - 1."""
    if not 0 <= seed < NUM_SEEDS:
        raise InputError(f"the seed is {seed}; it must be 0 or more (and below 2^64).")
