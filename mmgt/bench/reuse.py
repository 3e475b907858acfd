"""``mmgt bench reuse``: what ``reuse_every`` saves in a long video, counted at full size and timed on a smaller one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ..mmhaa.drive import Drive
from ..mmhaa.masks import EvenMasks
from ..mmhaa.pictures import PictureSize
from ..mmhaa.presets import PRESETS
from ..mmhaa.sample import DDIM, Video, VideoOptions, VideoRun, sample_latents
from ..training.new_networks import MMHAASizes, new_mmhaa
from .measure import cpu_seconds, machine, peak_rss_mib
from .video_cost import FullSize, count_calls

# A quarter of the published widths, so that the levels cost in the same proportion; 8 x 8 latents.
QUARTER = MMHAASizes((96, 160, 320, 320), speech_layers=1, speech_width=64, speech_hidden=64, num_tokens=8)
SIZE = PictureSize(64, 64)
NUM_STEPS = 4


def bench_reuse(num_runs: int = 1, num_frames: int = 750, reuse_every: int = 2) -> dict[str, Any]:
    """Denoising of a video (30 s by default) with ``reuse_every`` and without.

    windows; calls: of the network in the preset "fast", by what runs; tflop: of these at full size, 64 x 64 latents.
    kept_gib: what reuse keeps between the steps at full size in float16. cpu_seconds: least of ``num_runs`` denoising
    runs of four DDIM steps by a network a quarter as wide, on 8 x 8 latents.
    """
    fast, full_size = PRESETS["fast"], FullSize(latent=64)
    calls: dict[str, dict[str, int]] = {}
    tflop: dict[str, float] = {}
    for every in (1, reuse_every):
        counted = count_calls(replace(fast, options=replace(fast.options, reuse_every=every)), num_frames)
        denoising = {call: times for call, times in counted.items() if call[0] == "denoising"}
        calls[str(every)] = {
            name: sum(times for call, times in denoising.items() if call[3] == whole)
            for name, whole in (("whole", True), ("first level only", False))
        }
        tflop[str(every)] = round(sum(times * full_size.flop(call) for call, times in denoising.items()) / 1e12, 1)
    windows = fast.options.windows(num_frames)
    with torch.inference_mode():
        _, deep = full_size.denoise(len(windows[0]), rows=(False, True))
    seconds = {str(every): min(_denoising(num_frames, every) for _ in range(num_runs)) for every in (1, reuse_every)}
    return {
        "bench": "reuse",
        "num_frames": num_frames,
        "windows": len(windows),
        "calls": calls,
        "tflop": tflop,
        "kept_gib": round(deep.numel() * 2 * len(windows) / 2**30, 1),
        "cpu_seconds": {every: round(value, 1) for every, value in seconds.items()},
        "ratio": round(seconds[str(reuse_every)] / seconds["1"], 3),
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


def _denoising(num_frames: int, reuse_every: int) -> float:
    """CPU seconds of one denoising run."""
    generator = torch.Generator().manual_seed(0)
    networks = new_mmhaa(QUARTER, seed=0, with_video=True)
    noise = torch.randn(num_frames, 4, *SIZE.latent_shape, generator=generator)
    with torch.inference_mode():
        photo = networks.read_photo(noise[:1], torch.zeros(1, 1, QUARTER.image_channels))
    pose_picture = torch.zeros(1, 3, SIZE.canvas_height_px, SIZE.canvas_width_px)
    drive = Drive(
        num_frames,
        SIZE,
        pictures=lambda frames: pose_picture.expand(len(frames), -1, -1, -1),
        masks=EvenMasks(SIZE),
        speech=torch.randn(num_frames, QUARTER.speech_layers, QUARTER.speech_width, generator=generator),
    )
    run = VideoRun(networks.video_network, Video(photo, drive, VideoOptions(reuse_every=reuse_every)))
    return cpu_seconds(lambda: sample_latents(run, noise, DDIM(NUM_STEPS)))
