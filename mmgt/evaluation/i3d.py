"""I3D (Carreira and Zisserman 2017) for Kinetics-400 as FVD reads it, with a file that the user places.

Names are those of piergiaj/pytorch-i3d; numbers that no tensor shows are cd-fvd's, whose file ``BACKBONE`` is.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .backbone import load_backbone, open_backbone

BACKBONE = "i3d_pretrained_400.pt"
ADVICE = f"{BACKBONE} is the I3D of TATS, which cd-fvd reads (tats/fvd of songweige/TATS); a TorchScript I3D is another"
CLIP_FRAMES, SIDE_PX = 16, 224
FIRST, FIRST_WIDTH = "Conv3d_1a_7x7.conv3d.weight", 64
CLASSES = "logits.conv3d.weight"
EPSILON = 1e-5  # of its batch normalisation, cd-fvd's

Triple = tuple[int, int, int]
STEM: tuple[tuple[str, int, int, int], ...] = (  # name, channels, kernel, stride
    ("Conv3d_1a_7x7", 64, 7, 2),
    ("Conv3d_2b_1x1", 64, 1, 1),
    ("Conv3d_2c_3x3", 192, 3, 1),
)
# Channels of the four branches' layers, in the order of ``_Mixed``.
BLOCKS: dict[str, tuple[int, ...]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
POOLED_BEHIND: dict[str, tuple[Triple, Triple]] = {  # kernel, stride
    "Conv3d_1a_7x7": ((1, 3, 3), (1, 2, 2)),
    "Conv3d_2c_3x3": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3c": ((3, 3, 3), (2, 2, 2)),
    "Mixed_4f": ((2, 2, 2), (2, 2, 2)),
}


def _padded(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Zeros around [B, C, T, h, w] as TensorFlow's "SAME" has them: the odd one behind."""
    sides: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        missing = max(k - (size % s or s), 0)
        sides = [missing // 2, missing - missing // 2, *sides]
    return F.pad(x, sides)


class _Conv(nn.Module):
    def __init__(self, before: int, after: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(before, after, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(after, eps=EPSILON)
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(_padded(x, self.kernel, self.stride))))


class _Mixed(nn.Module):
    """Four branches side by side. [B, before, T, h, w] -> [B, ``width``, T, h, w]."""

    def __init__(self, before: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        plain, first, after_first, second, after_second, pooled = widths
        self.b0 = _Conv(before, plain, 1)
        self.b1a, self.b1b = _Conv(before, first, 1), _Conv(first, after_first, 3)
        self.b2a, self.b2b = _Conv(before, second, 1), _Conv(second, after_second, 3)
        self.b3b = _Conv(before, pooled, 1)
        self.width = plain + after_first + after_second + pooled

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.max_pool3d(_padded(x, (3, 3, 3), (1, 1, 1)), 3, 1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], dim=1)


class _Logits(nn.Module):
    def __init__(self, before: int, num_classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(before, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3d(x)


class I3D(nn.Module):
    """Clips -> logits of Kinetics' classes. scale: of all channels, 1 for the published file."""

    def __init__(self, scale: float = 1.0, num_classes: int = 400) -> None:
        super().__init__()
        width = 3
        for name, channels, kernel, stride in STEM:
            self.add_module(name, _Conv(width, round(channels * scale), kernel, stride))
            width = round(channels * scale)
        for name, widths in BLOCKS.items():
            mixed = _Mixed(width, tuple(round(channels * scale) for channels in widths))
            self.add_module(name, mixed)
            width = mixed.width
        self.logits = _Logits(width, num_classes)

    @torch.no_grad()
    def forward(self, clips: Tensor) -> Tensor:
        """[B, 3, 16, 224, 224] in -1..1 -> [B, 400], the mean over what is left of the time."""
        x = clips
        for name in (*(name for name, *_ in STEM), *BLOCKS):
            x = self.get_submodule(name)(x)
            if name in POOLED_BEHIND:
                kernel, stride = POOLED_BEHIND[name]
                x = F.max_pool3d(_padded(x, kernel, stride), kernel, stride)
        return self.logits(F.avg_pool3d(x, (2, 7, 7), 1)).mean(dim=(2, 3, 4))


def as_seen(picture: Tensor) -> Tensor:
    """[3, H, W] in 0..255 -> [3, 224, 224] in -1..1, resized as cd-fvd does."""
    resized = F.interpolate(picture[None], (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)[0]
    return 2 * resized / 255 - 1


def load_i3d(path: Path) -> I3D:
    """Raises InputError for a file that is none."""
    tensors = open_backbone(path, FIRST, "I3D", ADVICE)
    with torch.device("meta"):
        network = I3D(len(tensors[FIRST]) / FIRST_WIDTH, len(tensors[CLASSES]) if CLASSES in tensors else 400)
    return load_backbone(network, tensors, path, "FVD", ADVICE)
