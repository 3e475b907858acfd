"""How differently two sets of samples are distributed; samples are [N, D] float64."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

KERNEL_POWER, KERNEL_BLOCK = 3, 1024


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance (squared, as in FID) of the normal distributions of two sets of samples [N, D] and [M, D].

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^.5) (Dowson and Landau 1982). Symmetric, 0 or more. Raises InputError for
    fewer than two samples.
    """
    if min(len(first), len(second)) < 2:
        raise InputError(f"a Frechet distance needs two samples on each side, got {len(first)} and {len(second)}.")
    roots = [_root(samples) for samples in (first, second)]
    # With C = R'R the eigenvalues of C1 C2 are the squared singular values of R1 R2'.
    shared = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    means = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    return max(0.0, float(means + sum((root**2).sum() for root in roots) - 2 * shared))


def _root(samples: np.ndarray) -> np.ndarray:
    """R [min(N, D), D] with R'R the covariance: no larger than there are samples."""
    deviations = (samples - samples.mean(axis=0)) / np.sqrt(len(samples) - 1)
    return np.asarray(np.linalg.qr(deviations, mode="r")) if len(deviations) > deviations.shape[1] else deviations


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Unbiased squared MMD of [N, D] and [M, D] by the kernel (x.y / D + 1)^3 (Binkowski et al. 2018).

    Symmetric; around 0 for one distribution, so it may be below. Raises InputError for fewer than two samples.
    """
    num, others = len(first), len(second)
    if min(num, others) < 2:
        raise InputError(f"a kernel distance needs two samples on each side, got {num} and {others}.")
    within = [
        (_kernel_sum(samples, samples) - _kernel_of_itself(samples)) / (len(samples) * (len(samples) - 1))
        for samples in (first, second)
    ]
    return float(sum(within) - 2 * _kernel_sum(first, second) / (num * others))


def _kernel_sum(first: np.ndarray, second: np.ndarray) -> float:
    """Of all pairs, some rows at a time: memory does not grow with N M."""
    blocks = (first[start : start + KERNEL_BLOCK] for start in range(0, len(first), KERNEL_BLOCK))
    return float(sum(((block @ second.T / first.shape[1] + 1) ** KERNEL_POWER).sum() for block in blocks))


def _kernel_of_itself(samples: np.ndarray) -> float:
    """Of each sample with itself, summed: what an unbiased mean leaves out."""
    return float((((samples**2).sum(axis=1) / samples.shape[1] + 1) ** KERNEL_POWER).sum())


def two_halves(samples: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of the samples, drawn by the seed: what equal distributions come to with so few."""
    order = np.random.default_rng(seed).permutation(len(samples))
    return samples[order[: len(order) // 2]], samples[order[len(order) // 2 :]]
