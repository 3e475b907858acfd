"""Low-rank updates of linear layers (LoRA, arXiv 2106.09685): few numbers learn, the network's own stay frozen.

The layers read ``weight`` as before; files get the sum of both, so that every loader takes them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..errors import InputError

INSIDE = ".parametrizations."


class LowRank(nn.Module):
    """weight [out, in] -> weight + up down, which begins as the weight itself."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape
        down = torch.randn(rank, columns, generator=generator) / columns**0.5
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def add_low_rank(network: nn.Module, places: tuple[str, ...], rank: int, seed: int) -> None:
    """Let linear layers whose name holds one of ``places`` learn updates of a rank; raises InputError below 1."""
    if rank < 1:
        raise InputError(f"the LoRA's rank is {rank}; it must be 1 or more (64 is usual at full size).")
    generator = torch.Generator().manual_seed(seed)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear) and any(place in name for place in places):
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, generator))


def merged_state(network: nn.Module) -> dict[str, Tensor]:
    """A network's state dict with the sums in the places of weights and their updates."""
    state: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        path, inside, _ = key.partition(INSIDE)
        if not inside:
            state[key] = value
        elif f"{path}.weight" not in state:
            state[f"{path}.weight"] = network.get_submodule(path).weight  # type: ignore[assignment]
    return state
