"""A small random Contextual Gesture of the tests."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmgt.contextual_gesture.config import AlignmentConfig, ContextualGestureConfig, GeneratorConfig, TokensConfig
from mmgt.contextual_gesture.model import ContextualGesture

SIZES = {"audio_channels": 35, "width": 32, "feed_forward_width": 64, "num_heads": 4}
TINY = ContextualGestureConfig(
    AlignmentConfig(**SIZES, num_layers=1),
    TokensConfig(latent_width=16, num_blocks=1, num_layers=3, num_codes=24),
    GeneratorConfig(
        **SIZES, num_layers=2, num_residual_layers=1, num_speech_layers=1, style_width=8, speakers=("calm", "lively")
    ),
)


def tiny_contextual(config: ContextualGestureConfig = TINY, seed: int = 0) -> ContextualGesture:
    """Weights as large as keep the size of what passes; motion of some hundredths of the person's size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ContextualGesture(config).eval().requires_grad_(False)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=max(parameter[0].numel(), 1) ** -0.5)
    for tokenizer in model.tokenizers.values():
        tokenizer.codebooks *= 3.0 / torch.arange(1, config.tokens.num_layers + 1)[:, None, None] ** 2
        tokenizer.deviation.fill_(0.03)
    model.generator.styles.mul_(10)
    return model


def save_tiny_contextual(path: Path, model: ContextualGesture | None = None) -> None:
    model = model or tiny_contextual()
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        path,
        {"format": "pt", "config": json.dumps(asdict(model.config))},
    )
