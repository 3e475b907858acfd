"""The ring that holds hair to the skull, and the neck that holds the head."""

from __future__ import annotations

import numpy as np
import pytest

from mmgt.poses.skeleton import FACE
from mmgt.preview.geometry import face_height
from mmgt.preview.head import attached_head, head_ring


def test_the_ring_lies_where_the_matte_ends(person):
    _, xy, _ = person
    face = xy[FACE.start : FACE.stop]
    middle = 0.5 * (face[8] + face[17:27].mean(axis=0)) - [0, 0.2 * face_height(xy)]
    ys, xs = np.mgrid[:320, :320]
    for radius_px in (45.0, 60.0):
        matte = (np.hypot(xs - middle[0], ys - middle[1]) < radius_px).astype(np.float32)
        reach_px = np.hypot(*(head_ring(xy, matte)[:14] - middle).T)
        np.testing.assert_allclose(reach_px, radius_px, atol=2.5)


def test_the_head_stays_near_where_the_shoulders_carry_it(person):
    _, xy, _ = person
    rest, carried = xy[FACE.start : FACE.stop], np.array([10.0, 4.0])
    limit_px = 0.6 * face_height(xy)
    near, b = attached_head(xy, rest + carried + [0.9 * limit_px, 0], 1 + 2j, carried)
    np.testing.assert_allclose(near, rest + carried + [0.9 * limit_px, 0], atol=1e-9)
    assert b == 1 + 2j
    far, b = attached_head(xy, rest + carried + [3 * limit_px, 0], 1 + 2j, carried)
    np.testing.assert_allclose(far, rest + carried + [limit_px, 0], atol=1e-4)
    assert b == pytest.approx(1 + 2j - 2 * limit_px, abs=1e-4)
