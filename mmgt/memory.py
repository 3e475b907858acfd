"""Memory: how much is free, whether a batch fits, and how a command keeps what it freed."""

from __future__ import annotations

import ctypes
import gc
import sys

import torch

from .errors import InputError

FREE_SHARE = 0.9  # of the free memory that a batch may take
FLOAT_BYTES = 4


def free_bytes(device: torch.device) -> int | None:
    """Bytes that are free on a GPU or, of a CPU, in RAM; None where that cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    if sys.platform == "linux":
        try:
            with open("/proc/meminfo", encoding="ascii") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
        except (OSError, StopIteration):
            return None
    try:
        import psutil  # ComfyUI has it
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def peak_bytes(device: torch.device) -> int | None:
    """The most that tensors took on a GPU so far, or, of a CPU, what this process took in RAM; None on Windows."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


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


def reuse_freed_memory() -> None:
    """Give back what was freed until now, and let glibc keep what tensors free from now on (up to 2 GiB).

    Clearing new pages for each tensor costs a tenth of the time on a CPU. It holds for the rest of the process, so that
    only a command or a bench calls it; elsewhere than on glibc nothing happens.
    """
    gc.collect()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        return
    libc.malloc_trim(0)
    libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: tensors below 1 GiB come from the heap
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes
