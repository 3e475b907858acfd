"""``mmgt bench unet``: one guided window of the video network at full size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..memory import reuse_freed_memory
from ..mmhaa.config import UNetConfig
from ..mmhaa.unet import UNet, VideoContext
from ..standalone import onednn
from .measure import least_seconds, machine, peak_rss_mib

# TFLOP of one guided call of the authors' denoising UNet, by latent side and frames.
AUTHORS_TFLOP = {(32, 4): 2.46, (64, 12): 35.77}
MATRIX_SIDE = 4096


def guided_call(latent: int, num_frames: int, device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
    """One window of the full-size denoising UNet with guidance, ready to run; weights and inputs are random."""
    config = UNetConfig()
    kw: dict[str, Any] = {"device": device, "dtype": dtype}
    unet = UNet(config, ops=onednn, **kw).eval().requires_grad_(False)
    for parameter in unet.parameters():
        if parameter.ndim > 1 and device.type != "meta":
            parameter.normal_(std=parameter[0].numel() ** -0.5)
    tokens, photo = torch.randn(num_frames, 32, config.audio_channels or 0, **kw), torch.randn(1, 1, 768, **kw)
    features = {
        path: torch.randn(1, (latent >> _level(path, len(config.widths))) ** 2, module.norm.num_channels, **kw)
        for path, module in unet.named_modules()
        if path.split(".")[-2:-1] == ["attentions"]
    }
    masks = tuple(torch.rand(3, num_frames, (latent >> level) ** 2, **kw) for level in range(3))
    with torch.inference_mode():
        context = VideoContext(
            torch.randn(num_frames, config.widths[0], latent, latent, **kw),
            unet.reference_keys_values(features, photo),
            unet.audio_keys_values(tokens, unet.fused_audio_outputs(tokens)),
            masks,
            torch.ones(3, **kw),
        )
    x = torch.randn(num_frames, config.latent_channels, latent, latent, **kw)
    timestep = torch.full((1,), 500, device=device)

    @torch.inference_mode()
    def call() -> Tensor:
        return unet(x, timestep, context)[0]

    return call


def _level(path: str, num_levels: int) -> int:
    """How often the picture was halved where a spatial transformer sits."""
    block, *rest = path.split(".")
    if block == "mid_block":
        return num_levels - 1
    return int(rest[0]) if block == "down_blocks" else num_levels - 1 - int(rest[0])


def bench_unet(
    num_runs: int = 5, latent: int = 64, num_frames: int = 12, dtype: str = "float32", count: bool = False
) -> dict[str, Any]:
    """One guided window call of the full-size video network.

    tflop: counted on ``meta``. Unless only counting: seconds of the call and of plain 4096-cube matrix products in the
    same process, and merit: the authors' FLOP for this call over our seconds, as a share of the plain products' FLOP/s.
    window_gpu_mib: on a GPU, the most memory in use beyond weights and inputs.
    """
    on_meta = guided_call(latent, num_frames, torch.device("meta"), torch.float32)
    with FlopCounterMode(display=False) as counter:
        on_meta()
    tflop = counter.get_total_flops() / 1e12
    sizes = {"bench": "unet", "latent": latent, "num_frames": num_frames, "tflop": round(tflop, 3)}
    if count:
        return sizes
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    kind = getattr(torch, dtype)
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device, dtype=kind)
    call = guided_call(latent, num_frames, device, kind)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    else:
        reuse_freed_memory()
    call_s, plain_s = (least_seconds(run, num_runs, device) for run in (call, lambda: matrix @ matrix))
    plain_flops = 2 * MATRIX_SIDE**3 / plain_s
    authors = AUTHORS_TFLOP.get((latent, num_frames))
    return {
        **sizes,
        "dtype": dtype,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "seconds": round(call_s, 3),
        "plain_tflop_per_s": round(plain_flops / 1e12, 4),
        "merit": None if authors is None else round(authors * 1e12 / call_s / plain_flops, 3),
        "window_gpu_mib": round((torch.cuda.max_memory_allocated() - held) / 2**20) if on_gpu else None,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }
