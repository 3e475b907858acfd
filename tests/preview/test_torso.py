"""How the torso follows shoulders and hips, and its outline."""

from __future__ import annotations

import numpy as np

from mmgt.poses.skeleton import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER
from mmgt.preview.torso import body_shifts, torso_controls, torso_polygon


def test_the_whole_torso_goes_with_its_joints(person):
    _, xy, score = person
    points, mix = torso_controls(xy, score, height_px=320)
    shifts = body_shifts(xy, score, xy + np.float32([6, -2]))
    np.testing.assert_allclose(mix @ shifts, np.broadcast_to([6, -2], points.shape), atol=1e-4)


def test_unseen_hips_sway_half_as_far(person):
    _, xy, score = person
    hidden = score.copy()
    hidden[[RIGHT_HIP, LEFT_HIP]] = 0
    shifts = body_shifts(xy, hidden, xy + np.float32([6, -2]))
    np.testing.assert_allclose(shifts, [[6, -2]] * 3 + [[3, -1]] * 2, atol=1e-4)


def test_no_joint_goes_farther_than_a_shoulder_width(person):
    _, xy, score = person
    width_px = np.hypot(*(xy[LEFT_SHOULDER] - xy[RIGHT_SHOULDER]))
    shifts = body_shifts(xy, score, xy + np.float32([300, 400]))
    np.testing.assert_allclose(shifts, np.broadcast_to(width_px * np.array([0.6, 0.8]), (5, 2)), atol=1e-3)


def test_the_outline_reaches_from_shoulders_past_the_border(person):
    _, xy, score = person
    inside = torso_polygon(xy, score, (320, 320))
    assert inside[200:, 140:180].all()
    assert not inside[:140].any()
    assert not inside[:, :100].any()
    assert not inside[:, 220:].any()
