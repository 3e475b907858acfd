"""Small networks with seeded weights under the published files' keys."""

import zlib

import torch

SCALES = {"inception": 1 / 16, "i3d": 1 / 8, "syncnet": 1 / 32}


def seeded(shapes):
    """key -> shape, as tensors that depend on the key alone: the published implementations were given the same."""
    return {key: _seeded(key, torch.Size(shape)) for key, shape in shapes.items()}


def _seeded(key, shape):
    draw = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
    if len(shape) > 1:
        return draw * (2 / shape[1:].numel()) ** 0.5
    if key.endswith("running_var"):
        return 1 + 0.2 * draw.abs()
    return 1 + 0.2 * draw if key.endswith("weight") else 0.2 * draw


def shapes_of(network):
    return {key: tensor.shape for key, tensor in network.state_dict().items() if not key.endswith("_tracked")}
