"""The small random SMGA of the tests."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import to_authors
from mmgt.smga.model import SMGA

NUM_HEADS = 4
TINY_SMGA = SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=NUM_HEADS, audio_channels=35)


def tiny_smga(config: SMGAConfig = TINY_SMGA) -> SMGA:
    """Weights as large as keep the size of what passes."""
    torch.manual_seed(0)
    model = SMGA(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return model


def tiny_smga_state(
    scale: float = 0.1, config: SMGAConfig = TINY_SMGA, seed: int | None = 0
) -> dict[str, torch.Tensor]:
    """Random tensors in the authors' keys; seed None goes on with what torch draws."""
    if seed is not None:
        torch.manual_seed(seed)
    return {key: torch.randn_like(tensor) * scale for key, tensor in to_authors(SMGA(config).state_dict()).items()}


def save_tiny_smga(path: Path, state: dict[str, torch.Tensor], num_heads: int = NUM_HEADS) -> None:
    save_file({k: v.contiguous() for k, v in state.items()}, path, {"config": json.dumps({"num_heads": num_heads})})
