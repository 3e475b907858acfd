"""The device and dtype that networks compute with outside of ComfyUI, by name."""

from __future__ import annotations

import torch

from ..errors import InputError, check_choice

DTYPES = ("auto", "float32", "bfloat16", "float16")


def choose_device(name: str = "auto") -> torch.device:
    """ "auto": CUDA, else Apple's GPU, else the CPU. Raises InputError for a device that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"the device {name} cannot be used ({str(error).splitlines()[0]}); give auto or cpu."
        ) from error


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto": float16 on a GPU, as the authors, and float32 on a CPU. Raises InputError for none of ``DTYPES``."""
    check_choice("the dtype", name, DTYPES)
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    return getattr(torch, name)


def quickest_dtype(device: torch.device) -> str:
    """The one of ``DTYPES`` for a look at once: bfloat16 on a CPU that multiplies it by itself, else "auto"."""
    is_quick = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # private to torch
    return "bfloat16" if device.type == "cpu" and is_quick() else "auto"
