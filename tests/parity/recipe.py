"""Deterministic tensors for the golden cases (numpy only; no library RNG).

tensor(key, shape, seed) gives the same float32 bits on every platform.
u(i) = top 24 bits of splitmix64(stream + (i+1)*GOLDEN) / 2**24,  stream = splitmix64-mixed(crc32(key), seed)
"""

import hashlib
import zlib

import numpy as np

_G = np.uint64(0x9E3779B97F4A7C15)


def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(key, n, seed):
    """n float32 values in [0, 1), multiples of 2**-24."""
    with np.errstate(over="ignore"):
        s = _mix(np.array([(zlib.crc32(key.encode()) << 32) + int(seed)], dtype=np.uint64) + _G)
        z = _mix(s + (np.arange(1, n + 1, dtype=np.uint64) * _G))
    return ((z >> np.uint64(40)).astype(np.float32)) * np.float32(2.0**-24)


def signed(key, shape, seed):
    """float32 values in [-1, 1)."""
    n = int(np.prod(shape)) if len(shape) else 1
    return (uniform(key, n, seed) * np.float32(2) - np.float32(1)).reshape(shape)


def normalish(key, shape, seed):
    """sum of 12 uniforms - 6: mean 0, variance 1, within [-6, 6)."""
    acc = np.zeros(int(np.prod(shape)), np.float32)
    for j in range(12):
        acc += uniform(f"{key}#{j}", acc.size, seed)
    return (acc - np.float32(6)).reshape(shape)


def weight(key, shape, seed, gain=1.0):
    """Parameter by its state-dict name.

    1-D '*.weight' (norm scale): 1 + 0.25*s ; 1-D otherwise (bias): 0.1*s ;
    >=2-D: gain*sqrt(3/fan_in)*s with fan_in = product of all dims but the first (variance gain^2/fan_in).
    s = signed(...).  All products are done in float32.
    """
    s = signed(key, shape, seed)
    if len(shape) <= 1:
        if key.endswith(".weight"):
            return np.float32(1) + np.float32(0.25) * s
        return np.float32(0.1) * s
    fan_in = int(np.prod(shape[1:]))
    return np.float32(gain * (3.0 / fan_in) ** 0.5) * s


def sinusoid_pe(shape):
    """temporal positional table (1, max_len, C); computed in float32 by torch so that bits match upstream."""
    import math

    import torch

    _, L, C = shape
    pos = torch.arange(L).unsqueeze(1)
    div = torch.exp(torch.arange(0, C, 2) * (-math.log(10000.0) / C))
    pe = torch.zeros(1, L, C)
    pe[0, :, 0::2] = torch.sin(pos * div)
    pe[0, :, 1::2] = torch.cos(pos * div)
    return pe.numpy()


def state_dict(shapes, seed, gain=1.0, prefix=""):
    """{key: shape} -> {key: float32 ndarray}.  '*.pe' entries are the sinusoid table."""
    out = {}
    for k, shp in shapes.items():
        out[k] = sinusoid_pe(shp) if k.endswith("pos_encoder.pe") else weight(prefix + k, tuple(shp), seed, gain)
    return out


def digest(sd):
    """sha256 over sorted keys of key bytes + float32 little-endian data ('*.pe' left out)."""
    h = hashlib.sha256()
    for k in sorted(sd):
        if k.endswith("pos_encoder.pe"):
            continue
        h.update(k.encode())
        h.update(np.ascontiguousarray(sd[k], dtype="<f4").tobytes())
    return h.hexdigest()
