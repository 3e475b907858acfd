"""A small random refinement of the tests, that changes what it is given."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmgt.preview.refinement_network import Refinement, RefinementConfig

TINY = RefinementConfig(widths=(4, 6, 8, 8), edge_width=4, side_px=64)


def tiny_refinement(config: RefinementConfig = TINY, seed: int = 0, trained: bool = True) -> Refinement:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Refinement(config).eval().requires_grad_(False)
        if trained:
            torch.nn.init.normal_(network.output.weight, std=0.05)
            torch.nn.init.normal_(network.log_sharpness, std=0.3)
    return network


def save_tiny_refinement(path: Path, network: Refinement | None = None) -> Path:
    network = network or tiny_refinement()
    save_file(network.state_dict(), path, {"format": "pt", "config": json.dumps(asdict(network.config))})
    return path
