"""Similarities are found again, with the scale kept in its range."""

from __future__ import annotations

import numpy as np
import pytest

from mmgt.preview.geometry import as_complex, as_points, similarity


def test_a_similarity_is_found_again():
    points = np.random.default_rng(0).normal(size=(9, 2))
    a, b = 1.2 * np.exp(0.3j), 4 - 2j
    found = similarity(as_complex(points), a * as_complex(points) + b, (0.6, 1.6))
    np.testing.assert_allclose(found, (a, b), atol=1e-12)
    np.testing.assert_array_equal(as_points(as_complex(points)), points)


@pytest.mark.parametrize(("scale", "kept"), [(5.0, 1.6), (0.1, 0.6), (0.0, 0.6)])
def test_scale_is_kept_in_its_range_about_the_middle(scale, kept):
    points = as_complex(np.random.default_rng(0).normal(size=(9, 2)))
    a, b = similarity(points, scale * points + 3, (0.6, 1.6))
    assert a == pytest.approx(kept)
    assert a * points.mean() + b == pytest.approx(scale * points.mean() + 3)
