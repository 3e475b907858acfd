"""``mmgt bench contextual``: five passes of masked tokens and five residual ones beside SMGA's guided steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..contextual_gesture.config import PARTS, ContextualGestureConfig
from ..contextual_gesture.model import ContextualGesture
from ..contextual_gesture.sample import UNKNOWN, GestureSettings, decoded, sample_tokens
from ..poses import POSE_FPS
from ..smga.config import SMGAConfig
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings, sample_track, seeded_noise
from ..standalone import onednn
from ..standalone.contextual import transformers_dtype
from ..standalone.devices import choose_dtype
from .measure import interleaved, machine, peak_rss_mib


def bench_contextual(num_runs: int = 3, num_frames: int = 80, dtype: str | None = None) -> dict[str, Any]:
    """Contextual Gesture and SMGA at the papers' sizes, random weights, in turn.

    dtype: of the transformers (None: what commands take on this CPU). cpu_s: speech towers, 5 + 5 passes and the
    decoder of ``num_frames``. smga_cpu_s: 50 guided steps of as many, in float32. ratio: the first over the second.
    """
    device = torch.device("cpu")
    computed = transformers_dtype(device) if dtype is None else choose_dtype(dtype, device)
    generator = torch.Generator().manual_seed(0)

    def random(network: nn.Module) -> dict[str, Tensor]:
        for parameter in network.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)
        return network.state_dict()

    config, smga_config = ContextualGestureConfig(), SMGAConfig()
    model = ContextualGesture(config, ops=onednn, device="meta").eval().requires_grad_(False)
    model.load_state_dict(random(ContextualGesture(config).requires_grad_(False)), assign=True)
    model.generator.to(computed)
    smga = SMGA(smga_config, ops=onednn, device="meta").eval().requires_grad_(False)
    smga.load_state_dict(random(SMGA(smga_config).requires_grad_(False)), assign=True)
    features = torch.randn(num_frames, smga_config.audio_channels, generator=generator)
    initial = torch.rand(smga_config.num_channels, generator=generator) - 0.5
    given = {part: torch.full((num_frames, config.tokens.num_layers), UNKNOWN) for part in PARTS}
    for tokens in given.values():
        tokens[0] = 0

    @torch.inference_mode()
    def by_tokens() -> None:
        draws = torch.Generator().manual_seed(0)
        decoded(model, sample_tokens(model, features.to(computed), given, model.style(), GestureSettings(), draws))

    @torch.inference_mode()
    def by_diffusion() -> None:
        sample_track(smga, features, initial, seeded_noise(0, num_frames, smga_config.num_channels), SamplerSettings())

    cpu_s, smga_cpu_s = interleaved(by_tokens, by_diffusion, num_runs)
    return {
        "bench": "contextual",
        "num_frames": num_frames,
        "dtype": str(computed).removeprefix("torch."),
        "ratio": round(cpu_s / smga_cpu_s, 4),
        "cpu_s": round(cpu_s, 3),
        "smga_cpu_s": round(smga_cpu_s, 3),
        "video_s": num_frames / POSE_FPS,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }
