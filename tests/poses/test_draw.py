from pathlib import Path

import numpy as np
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.media import read_picture
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.poses.draw import OPENPOSE_STYLE, draw_pose, draw_poses, over
from mmgt.poses.skeleton import (
    FACE,
    FACE_COLOUR,
    LEFT_HAND,
    LEFT_HIP,
    LEFT_KNEE,
    LEGS,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_KNEE,
)


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


def standing_person():
    """The astronaut with hips, legs and a left hand, on a picture of 700 x 600 px."""
    pose = load_poses(ASTRONAUT_POSE)
    keypoints, score = pose.keypoints.clone() * 0.6 + 0.1, pose.score.clone()
    points = [RIGHT_HIP, LEFT_HIP, *LEGS]
    keypoints[0, points] = torch.tensor([[0.3, 0.7], [0.45, 0.7], [0.28, 0.82], [0.25, 0.97], [0.47, 0.8], [0.5, 0.96]])
    keypoints[0, LEFT_HAND.start : LEFT_HAND.stop] = torch.rand(21, 2, generator=torch.Generator().manual_seed(0)) / 5
    score[0, [*points, *LEFT_HAND]] = 0.9
    score[0, [RIGHT_ANKLE, LEFT_HAND.start + 3]] = 0.2
    return PoseSequence(keypoints, score, 25.0, 700, 600)


def test_the_openpose_style_is_what_openpose_controlnets_expect():
    """openpose_picture.png was drawn by comfyui_controlnet_aux's own DWPose functions from the same pose."""
    expected = read_picture(Path(__file__).parent / "openpose_picture.png")
    (drawn,) = draw_poses(standing_person(), 700, 600, style=OPENPOSE_STYLE)
    np.testing.assert_array_equal(drawn, expected)


def test_openpose_strokes_are_as_wide_on_any_picture():
    pose = load_poses(ASTRONAUT_POSE)
    (whole,) = draw_poses(pose, 512, 512, style=OPENPOSE_STYLE)
    (double,) = draw_poses(pose, 1024, 1024, style=OPENPOSE_STYLE)
    assert double.any(axis=-1).sum() < 3 * whole.any(axis=-1).sum()


def test_a_pose_lies_over_the_darkened_picture():
    picture = np.full((4, 4, 3), 200, np.uint8)
    drawn = np.zeros_like(picture)
    drawn[1, 2] = (255, 0, 0)
    seen = over(picture, drawn)
    assert seen[1, 2].tolist() == [255, 0, 0]
    assert seen[0, 0].tolist() == [100] * 3
