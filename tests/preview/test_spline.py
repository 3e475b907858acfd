"""The smoothing spline against scipy's, and the map that it gives."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RBFInterpolator

from mmgt.preview.spline import BODY_GRID, backward_map, evaluate_spline, thin_plate


def test_spline_matches_scipy():
    rng = np.random.default_rng(1)
    points, values = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    xs, ys = np.linspace(-2, 2, 7), np.linspace(-1, 1, 5)
    ours = evaluate_spline(thin_plate(points, values, np.full(40, 0.01)), points, xs, ys)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    # scipy's kernel is r^2 log r, ours r^2 log r^2 = twice that
    theirs = RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=0.005)(grid).reshape(5, 7, 2)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_the_map_of_a_zoom_is_the_zoom():
    rest = np.random.default_rng(2).uniform(20, 80, (80, 2))
    target = 2 * rest + np.array([-50, -40])
    map_x, map_y, drift = backward_map(rest, target, np.zeros(80), target[:68], 120, 90)
    ys, xs = np.mgrid[:120, :90]
    assert map_x.dtype == map_y.dtype == np.float32
    away = slice(4, -4)  # the outermost half cell of a grid goes on as its centre
    np.testing.assert_allclose(map_x[away, away], ((xs + 50) / 2)[away, away], atol=1e-2)
    np.testing.assert_allclose(map_y[away, away], ((ys + 40) / 2)[away, away], atol=1e-2)
    centres = (np.arange(BODY_GRID) + 0.5) / BODY_GRID
    x, y = 90 * centres - 0.5, 120 * centres - 0.5
    np.testing.assert_allclose(drift, np.hypot((x[None] - 50) / 2, (y[:, None] - 40) / 2), atol=1e-2)
