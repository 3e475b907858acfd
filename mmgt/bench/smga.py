"""``mmgt bench smga``: what the guided sampler of stage I saves."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..poses import POSE_FPS
from ..smga.config import SMGAConfig
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings, sample_track, seeded_noise
from ..standalone import onednn
from .measure import interleaved, machine, peak_rss_mib


def bench_smga(num_runs: int = 3, num_steps: int = 50) -> dict[str, Any]:
    """SMGA at the paper's size, random weights, 80 frames: our guided sampler against plain batch-1 forwards.

    cpu_s: ``num_steps`` guided steps as ``sample_track`` takes them. plain_cpu_s: 2 x num_steps forwards through
    torch's own layers, which is what the authors spend. ratio: the first over the second.
    """
    config = SMGAConfig()
    plain_model = SMGA(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in plain_model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5, generator=generator)
    model = SMGA(config, ops=onednn, device="meta").eval().requires_grad_(False)
    model.load_state_dict(plain_model.state_dict(), assign=True)
    features = torch.randn(config.num_frames, config.audio_channels, generator=generator)
    initial = torch.rand(config.num_channels, generator=generator) - 0.5
    x = torch.randn(1, config.num_frames, config.num_channels, generator=generator)

    @torch.inference_mode()
    def plain() -> None:
        for step_idx in range(num_steps):
            for drop in (False, True):
                plain_model(x, initial[None], features[None], torch.tensor([step_idx]), drop=drop)

    def guided() -> None:
        noise = seeded_noise(0, config.num_frames, config.num_channels)
        sample_track(model, features, initial, noise, SamplerSettings(num_steps))

    cpu_s, plain_cpu_s = interleaved(guided, plain, num_runs)
    return {
        "bench": "smga",
        "num_steps": num_steps,
        "num_frames": config.num_frames,
        "ratio": round(cpu_s / plain_cpu_s, 4),
        "cpu_s": round(cpu_s, 3),
        "plain_cpu_s": round(plain_cpu_s, 3),
        "video_s": config.num_frames / POSE_FPS,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }
