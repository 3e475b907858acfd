"""Distances of distributions against closed forms, scipy's root and sums that are written out."""

import itertools

import numpy as np
import pytest

from mmgt.errors import InputError
from mmgt.evaluation.distributions import frechet_distance, kernel_distance, two_halves


def test_frechet_is_the_closed_form_and_symmetric():
    draw = np.random.default_rng(0)
    samples = draw.normal(size=(500, 6))
    samples -= samples.mean(axis=0)
    white = samples @ np.linalg.inv(np.linalg.cholesky(np.cov(samples, rowvar=False))).T  # mean 0, covariance 1
    scales, middle = np.array([0.5, 1, 2, 3, 0.1, 0]), np.arange(6) / 3
    turned = np.linalg.qr(draw.normal(size=(6, 6)))[0]
    first, second = white @ turned, (scales * white + middle) @ turned
    expected = (middle**2).sum() + ((scales - 1) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    # not diagonal together: against scipy's matrix root
    from scipy.linalg import sqrtm

    mixed = white @ draw.normal(size=(6, 6)) + 1
    c1, c2 = np.cov(second, rowvar=False), np.cov(mixed, rowvar=False)
    by_root = ((second.mean(0) - mixed.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert frechet_distance(second, mixed) == pytest.approx(by_root, rel=1e-5)
    with pytest.raises(InputError, match="two samples"):
        frechet_distance(first[:1], second)


def test_frechet_with_fewer_samples_than_numbers_is_the_same():
    from scipy.linalg import sqrtm

    draw = np.random.default_rng(1)
    first, second = draw.normal(size=(7, 12)), 2 * draw.normal(size=(30, 12)) + 1
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    wanted = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(c1 + c2) - 2 * np.trace(sqrtm(c1 @ c2)).real
    assert frechet_distance(first, second) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_kernel_distance_is_its_definition(monkeypatch):
    draw = np.random.default_rng(2)
    first, second = draw.normal(size=(6, 4)), draw.normal(size=(9, 4)) + 0.5

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / 4 + 1) ** 3

    wanted = -2 * np.mean([kernel(x, y) for x in first for y in second])
    wanted += sum(np.mean([kernel(x, y) for x, y in itertools.permutations(samples, 2)]) for samples in (first, second))
    assert kernel_distance(first, second) == pytest.approx(wanted, rel=1e-9)
    monkeypatch.setattr("mmgt.evaluation.distributions.KERNEL_BLOCK", 2)
    assert kernel_distance(second, first) == pytest.approx(wanted, rel=1e-9)
    with pytest.raises(InputError, match="two samples"):
        kernel_distance(first, second[:1])


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_grow_with_what_is_added(distance):
    draw = np.random.default_rng(3)
    samples, more = draw.normal(size=(300, 5)), draw.normal(size=(300, 5))
    found = [distance(samples + level * more, samples) for level in (0, 0.5, 1, 2)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(0, abs=0.1)
    shifted = [distance(samples + level, samples) for level in (0, 0.5, 1, 2)]
    assert shifted == sorted(shifted)
    halves = two_halves(samples)
    assert np.allclose(np.sort(np.concatenate(halves), axis=0), np.sort(samples, axis=0))
    assert abs(distance(*halves)) < 0.3 < found[-1]
