"""Points as complex numbers, similarities between them, and the face's size: what face, torso and arms share."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import BROWS, CHIN


def as_complex(xy: np.ndarray) -> np.ndarray:
    """[N, 2] -> [N] complex128."""
    return xy[..., 0].astype(np.float64) + 1j * xy[..., 1]


def as_points(z: np.ndarray) -> np.ndarray:
    """[N] complex -> [N, 2] float64."""
    return np.stack([z.real, z.imag], axis=-1)


def similarity(source: np.ndarray, target: np.ndarray, scale_range: tuple[float, float]) -> tuple[complex, complex]:
    """Least-squares (a, b) with target = a * source + b, points [N] as complex x + iy; |a| kept in scale_range."""
    source_mean, target_mean = source.mean(), target.mean()
    centred = source - source_mean
    power = float((abs(centred) ** 2).sum())
    a = complex((centred.conj() * (target - target_mean)).sum() / power) if power > 1e-9 else 1 + 0j
    a = a / abs(a) * min(max(abs(a), scale_range[0]), scale_range[1]) if abs(a) > 1e-6 else complex(scale_range[0])
    return a, complex(target_mean - a * source_mean)


def face_height(points_px: np.ndarray) -> float:
    """Brows to chin in pixels, of keypoints [134, 2]."""
    brow_centre, chin = points_px[BROWS].mean(axis=0), points_px[CHIN]
    return float(np.hypot(*(chin - brow_centre)))
