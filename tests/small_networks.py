"""Tiny random networks under the names of those that are shipped: without CLIP, on hand-crafted speech."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny import HEADS, small_state

from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import to_authors
from mmgt.smga.model import SMGA
from mmgt.standalone.tiny_vae import build_tiny_vae, taesd_layout
from mmgt.weights.catalog import MMHAA, VAE, WeightFile
from mmgt.weights.catalog import SMGA as SMGA_FILE


def write_small_networks(models: Path, side_px: int = 64) -> None:
    """Into a models folder. side_px: on which the video network says that it was trained."""
    torch.manual_seed(0)
    smga = SMGA(SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=8, audio_channels=35))
    _write(models, SMGA_FILE, to_authors(smga.state_dict()))
    _write(models, MMHAA, small_state(), {"config": json.dumps({**HEADS, "side_px": side_px})})
    _write(models, VAE, taesd_layout(build_tiny_vae(8, 8).state_dict(), 0.18215))


def _write(models: Path, file: WeightFile, state: dict[str, torch.Tensor], metadata: dict[str, str] | None = None):
    folder = models / file.folder
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().clone().contiguous() for key, value in state.items()}
    save_file(tensors, folder / file.shipped, metadata)
