"""Less memory for more time: what lies inside of a layer is computed again on the way back (Chen et al. 2016)."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint

from ..mmhaa.network import MMHAA
from ..mmhaa.unet import Stage


def checkpoint_layers(networks: MMHAA) -> None:
    """From now on both networks keep, of each layer, what enters it only. Numbers and gradients are the same."""
    for network in (networks.reference_unet, networks.video_network):
        for module in network.modules():
            if isinstance(module, Stage):
                module.layer = partial(_again, module.layer)  # type: ignore[method-assign]


def _again(layer: Any, *given: Any, **named: Any) -> Any:
    return checkpoint(layer, *given, use_reentrant=False, **named)
