import numpy as np
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.draw import draw_pose, draw_poses
from mmgt.poses import load_poses
from mmgt.skeleton import FACE, FACE_COLOUR, LEFT_KNEE, RIGHT_HIP, RIGHT_KNEE


def blank_pose():
    return np.full((134, 2), 100.0, np.float32), np.zeros(134, np.float32)


def test_a_face_point_is_a_white_dot():
    xy, score = blank_pose()
    score[FACE.start] = 0.9
    picture = draw_pose(xy, score, 200, 300)
    assert picture.shape == (200, 300, 3)
    assert tuple(picture[100, 100]) == FACE_COLOUR
    rows, columns = np.nonzero(picture.any(axis=-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (97, 103, 97, 103)  # radius 3


def test_hidden_points_and_legs_are_not_drawn():
    xy, score = blank_pose()
    xy[RIGHT_KNEE] = xy[LEFT_KNEE] = 50
    score[:] = 0.29
    assert not draw_pose(xy, score, 200, 200).any()
    score[[RIGHT_KNEE, LEFT_KNEE]] = 1
    assert not draw_pose(xy, score, 200, 200).any()
    score[RIGHT_HIP] = 1  # the joint itself is drawn, the limb to the knee is not
    picture = draw_pose(xy, score, 200, 200)
    assert picture[100, 100].any()
    assert not picture[70, 70].any()


def test_a_sequence_is_drawn_frame_by_frame_at_any_size():
    poses = load_poses(ASTRONAUT_POSE)
    steps = []
    (whole,) = draw_poses(poses, 512, 512, lambda step, total: steps.append((step, total)))
    (double,) = draw_poses(poses, 1024, 1024)
    assert steps == [(1, 1)]
    share, double_share = whole.any(axis=-1).mean(), double.any(axis=-1).mean()
    assert 0.9 < double_share / share < 1.1  # strokes scale with the picture


def test_a_pose_far_outside_draws_nothing_and_does_not_fail():
    xy, score = blank_pose()
    score[:] = 1
    assert not draw_pose(xy + 10_000, score, 64, 64).any()
    assert torch.tensor(draw_pose(xy - 10_000, score, 64, 64)).sum() == 0
