"""LPIPS (Zhang et al. 2018) by AlexNet, with two files that the user places into ``mmgt_eval`` of the models folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from ..weights.files import open_checkpoint
from ..weights.strict import load_strictly

BACKBONE, HEADS = "alexnet.pth", "lpips_alex.pth"
ADVICE = (
    f"{BACKBONE} is torchvision's AlexNet for ImageNet (alexnet-owt-7be5be79.pth), {HEADS} the lpips package's "
    "weights/v0.1/alex.pth"
)
CONVOLUTIONS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}  # place in torchvision's list: stride, padding
KERNELS = {0: 11, 3: 5, 6: 3, 8: 3, 10: 3}
POOLED_BEFORE = (3, 6)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's colours, of pictures in -1..1
CLASSIFIER = "classifier."  # which LPIPS does not read
EPSILON = 1e-10


class LPIPS(nn.Module):
    """Distance of two pictures by what AlexNet's five layers see of them, weighted as people judged; 0 for equal ones.

    widths: channels of the five layers.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.features = nn.ModuleDict(
            {
                str(place): nn.Conv2d(before, after, KERNELS[place], *CONVOLUTIONS[place])
                for place, before, after in zip(CONVOLUTIONS, inputs, widths, strict=True)
            }
        )
        self.heads = nn.ParameterList([nn.Parameter(torch.zeros(1, width, 1, 1)) for width in widths])

    def layers(self, pictures: Tensor) -> list[Tensor]:
        """[B, 3, H, W] in -1..1 -> what each layer sees, [B, C, h, w]."""
        x = (pictures - pictures.new_tensor(SHIFT).view(3, 1, 1)) / pictures.new_tensor(SCALE).view(3, 1, 1)
        seen = []
        for place in CONVOLUTIONS:
            x = F.max_pool2d(x, 3, 2) if place in POOLED_BEFORE else x
            x = F.relu(self.features[str(place)](x))
            seen.append(x)
        return seen

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """[B, 3, H, W] in -1..1 twice -> [B]: the sum over layers of the weighted mean squared difference of features
        of unit length."""
        total = first.new_zeros(len(first))
        for a, b, head in zip(self.layers(first), self.layers(second), self.heads, strict=True):
            difference = (_unit(a) - _unit(b)) ** 2
            total = total + (difference * head).sum(dim=1).mean(dim=(1, 2))
        return total

    @torch.no_grad()
    def of_frames(self, frame: np.ndarray, reference: np.ndarray) -> float:
        """[H, W, 3] uint8 twice."""
        device = self.heads[0].device
        both = (
            torch.from_numpy(np.array(each)).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1
            for each in (frame, reference)
        )
        return float(self(*both))


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)


def load_lpips(backbone: Path, heads: Path) -> LPIPS:
    """Raises InputError for files that are not these two."""
    tensors: dict[str, Tensor] = {}
    for key, tensor in open_checkpoint(backbone, ADVICE).tensors.items():
        if not key.startswith(CLASSIFIER):
            tensors[key] = tensor
    for key, tensor in open_checkpoint(heads, ADVICE).tensors.items():
        tensors[_head_key(key)] = tensor
    with torch.device("meta"):
        network = LPIPS(_widths(tensors, backbone))
    try:
        load_strictly(network, tensors, f"{backbone} with {heads}", torch.float32)
    except InputError as error:
        raise InputError(f"LPIPS cannot be measured ({error}); {ADVICE}.") from error
    return network.eval()


def _head_key(key: str) -> str:
    """ "lin0.model.1.weight" -> "heads.0"; another key as it is, which then does not fit."""
    number = key.removeprefix("lin").removesuffix(".model.1.weight")
    return f"heads.{number}" if number.isdigit() else key


def _widths(tensors: Mapping[str, Tensor], backbone: Path) -> tuple[int, ...]:
    try:
        return tuple(tensors[f"features.{place}.weight"].shape[0] for place in CONVOLUTIONS)
    except (KeyError, IndexError) as error:
        raise InputError(f"{backbone} is no AlexNet: it has no {error}; {ADVICE}.") from error
