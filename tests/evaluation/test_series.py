"""What a report's pictures show, on frames whose values are known."""

import numpy as np
import pytest

from mmgt.evaluation.series import MotionHeat, WorstFrames, change_measures, largest_jump


def frame(value):
    return np.full((4, 5, 3), value, np.uint8)


def test_a_jump_is_one_frame_that_changes_more_than_those_around_it():
    change = np.full(99, 1.0)
    assert largest_jump(change) == (1, 0)
    change[79] = 11  # from frame 79 to frame 80
    assert largest_jump(change) == (pytest.approx(11.1 / 1.1), 80)
    assert "frame 80" in change_measures(change)[0].source
    change[78:82] = 11  # a movement lasts
    assert largest_jump(change)[0] < 2
    assert largest_jump(np.array([])) == (1, 0)
    assert change_measures(np.array([1.0, 2.0])) == []


def test_heat_is_the_mean_change_of_each_pixel():
    heat = MotionHeat()
    assert heat.mean is None
    for value in (10, 14, 8):
        picture = frame(100)
        picture[1, 2] = value
        heat.add(picture)
    wanted = np.zeros((4, 5))
    wanted[1, 2] = (4 + 6) / 2
    np.testing.assert_allclose(heat.mean, wanted)
    np.testing.assert_allclose(heat.changes, [4 / 20, 6 / 20])


def test_the_worst_frames_are_kept_some_apart_in_any_order():
    ssim = np.full(60, 0.9)
    ssim[[10, 11, 30, 50, 52]] = 0.5, 0.4, 0.3, 0.7, 0.6
    for order in (range(60), range(59, -1, -1)):
        worst = WorstFrames()
        for t in order:
            worst.add(t, ssim[t], frame(t), frame(t + 1))
        assert [(kept.t, kept.ssim) for kept in worst.worst] == [(30, 0.3), (11, 0.4), (52, 0.6)]
        assert all(kept.frame[0, 0, 0] == kept.t == kept.reference[0, 0, 0] - 1 for kept in worst.worst)
