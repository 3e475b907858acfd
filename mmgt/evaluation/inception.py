"""Inception-v3 as FID reads it (Heusel et al. 2017): the means of its last layer, with a file that the user places.

The network is that of TensorFlow's ImageNet model of 2015-12-05, in torchvision's names (``BACKBONE``): other than
torchvision's own, its pooling leaves borders out of averages, and its last block takes maxima (pytorch-fid says how).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError
from .backbone import load_backbone, open_backbone

BACKBONE = "pt_inception-2015-12-05-6726825d.pth"
ADVICE = f"{BACKBONE} is pytorch-fid's Inception (release fid_weights of mseitzer/pytorch-fid)"
SIDE_PX = 299
CLASSIFIER, CLASSES = "fc.", 1008  # which FID does not read
FIRST, FIRST_WIDTH = "Conv2d_1a_3x3.conv.weight", 32
Kernel = int | tuple[int, int]
Layer = tuple[str, int, Kernel]  # name, channels, kernel
Branch = tuple[tuple[Layer, ...], ...]  # layers one after another; several in a step read the same

STEM: tuple[tuple[str, int, int, int, int], ...] = (  # name, channels, kernel, stride, padding
    ("Conv2d_1a_3x3", 32, 3, 2, 0),
    ("Conv2d_2a_3x3", 32, 3, 1, 0),
    ("Conv2d_2b_3x3", 64, 3, 1, 1),
    ("Conv2d_3b_1x1", 80, 1, 1, 0),
    ("Conv2d_4a_3x3", 192, 3, 1, 0),
)
POOLED_BEHIND = ("Conv2d_2b_3x3", "Conv2d_4a_3x3")


def _branch(name: str, *layers: tuple[int, Kernel]) -> Branch:
    """Layers one after another, numbered from 1."""
    return tuple(((f"{name}_{number}", width, kernel),) for number, (width, kernel) in enumerate(layers, 1))


def _one(name: str, width: int, kernel: Kernel) -> Branch:
    return (((name, width, kernel),),)


_DOUBLE = _branch("branch3x3dbl", (64, 1), (96, 3), (96, 3))


def _squares(pooled: int) -> tuple[tuple[Branch, ...], str, int, int]:
    return (_one("branch1x1", 64, 1), _branch("branch5x5", (48, 1), (64, 5)), _DOUBLE), "mean", pooled, 1


def _strips(width: int) -> tuple[tuple[Branch, ...], str, int, int]:
    across, down = (1, 7), (7, 1)
    double = _branch("branch7x7dbl", (width, 1), (width, down), (width, across), (width, down), (192, across))
    single = _branch("branch7x7", (width, 1), (width, across), (192, down))
    return (_one("branch1x1", 192, 1), single, double), "mean", 192, 1


def _forks(pool: str) -> tuple[tuple[Branch, ...], str, int, int]:
    def fork(name: str, number: str) -> tuple[Layer, ...]:
        return (f"{name}_{number}a", 384, (1, 3)), (f"{name}_{number}b", 384, (3, 1))

    single = *_branch("branch3x3", (384, 1)), fork("branch3x3", "2")
    double = *_branch("branch3x3dbl", (448, 1), (384, 3)), fork("branch3x3dbl", "3")
    return (_one("branch1x1", 320, 1), single, double), pool, 192, 1


_SHRUNK = _branch("branch7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3))
BLOCKS: dict[str, tuple[tuple[Branch, ...], str, int, int]] = {  # branches, pooling, its channels, stride at the end
    "Mixed_5b": _squares(32),
    "Mixed_5c": _squares(64),
    "Mixed_5d": _squares(64),
    "Mixed_6a": ((_one("branch3x3", 384, 3), _DOUBLE), "max", 0, 2),
    "Mixed_6b": _strips(128),
    "Mixed_6c": _strips(160),
    "Mixed_6d": _strips(160),
    "Mixed_6e": _strips(192),
    "Mixed_7a": ((_branch("branch3x3", (192, 1), (320, 3)), _SHRUNK), "max", 0, 2),
    "Mixed_7b": _forks("mean"),
    "Mixed_7c": _forks("max"),
}


class _Conv(nn.Module):
    def __init__(self, before: int, after: int, kernel: Kernel, stride: int, padding: Kernel) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Mixed(nn.Module):
    """Branches side by side, and what is pooled. [B, before, h, w] -> [B, ``width``, h, w], half of it by stride 2."""

    def __init__(
        self, before: int, branches: tuple[Branch, ...], pool: str, pooled: int, stride: int, scale: float
    ) -> None:
        super().__init__()
        self.branches, self.pool, self.stride = branches, pool, stride
        self.width = round(pooled * scale) or before
        for branch in branches:
            width = before
            for step in branch:
                strides = stride if step is branch[-1] else 1
                for name, channels, kernel in step:
                    self.add_module(name, _Conv(width, round(channels * scale), kernel, strides, _rim(kernel, strides)))
                width = sum(round(channels * scale) for _, channels, _ in step)
            self.width += width
        if pooled:
            self.branch_pool = _Conv(before, round(pooled * scale), 1, 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for branch in self.branches:
            seen = x
            for step in branch:
                seen = torch.cat([self.get_submodule(name)(seen) for name, _, _ in step], dim=1)
            found.append(seen)
        if self.stride == 2:
            return torch.cat([*found, F.max_pool2d(x, 3, 2)], dim=1)
        pooled = F.max_pool2d(x, 3, 1, 1) if self.pool == "max" else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return torch.cat([*found, self.branch_pool(pooled)], dim=1)


def _rim(kernel: Kernel, stride: int) -> Kernel:
    """Padding that keeps the size; none where the stride halves it."""
    if stride > 1:
        return 0
    return kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)


class Inception(nn.Module):
    """Pictures -> features, as FID reads them. scale: of all channels, 1 for the published file."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        width = 3
        for name, channels, kernel, stride, padding in STEM:
            self.add_module(name, _Conv(width, round(channels * scale), kernel, stride, padding))
            width = round(channels * scale)
        for name, block in BLOCKS.items():
            mixed = _Mixed(width, *block, scale)
            self.add_module(name, mixed)
            width = mixed.width

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        """[B, 3, H, W] in 0..1 -> [B, 2048]: resized to 299x299 px as pytorch-fid does, in -1..1, the last block's
        means."""
        x = 2 * F.interpolate(pictures, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False) - 1
        for name, *_ in STEM:
            x = self.get_submodule(name)(x)
            x = F.max_pool2d(x, 3, 2) if name in POOLED_BEHIND else x
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        return x.mean(dim=(2, 3))


def load_inception(path: Path) -> Inception:
    """Raises InputError for a file that is not FID's Inception, torchvision's own among them."""
    tensors = open_backbone(path, FIRST, "Inception", ADVICE)
    classes = tensors.get(f"{CLASSIFIER}bias")
    if classes is not None and len(classes) == 1000:
        raise InputError(f"{path} is torchvision's Inception, by which FID is another number; {ADVICE}.")
    tensors = {key: tensor for key, tensor in tensors.items() if not key.startswith(CLASSIFIER)}
    with torch.device("meta"):
        network = Inception(len(tensors[FIRST]) / FIRST_WIDTH)
    return load_backbone(network, tensors, path, "FID", ADVICE)
