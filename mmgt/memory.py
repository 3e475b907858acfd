"""How much memory is free."""

from __future__ import annotations

import sys

import torch


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
