"""Which arms become layers, and where they go."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_person import as_pose, gesture

from mmgt.preview import prepare_preview
from mmgt.preview.arm import arm_motion_px


def test_hidden_elbow_keeps_the_arm_with_the_torso(person):
    picture, xy, score = person
    hidden = score.copy()
    hidden[3] = 0.1
    assert [arm.shoulder for arm in prepare_preview(picture, as_pose(xy, hidden)).arms] == [5]


def test_an_arm_moves_as_far_as_its_farthest_point(person):
    picture, xy, score = person
    arm = prepare_preview(picture, as_pose(xy, score)).arms[0]
    moved = gesture(xy, 0.5)
    own = [2, 3, 4, *range(113, 134)]
    assert arm_motion_px(arm, xy) < 1e-3
    assert arm_motion_px(arm, moved) == pytest.approx(np.hypot(*(moved - xy)[own].T).max(), abs=1e-3)
