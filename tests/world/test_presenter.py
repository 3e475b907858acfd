import torch

from mmgt.poses.motion_mask import face_box, hand_boxes, lip_box
from mmgt.poses.skeleton import FACE, LEFT_HAND, RIGHT_HAND
from mmgt.world.presenter import presenter


def test_a_seed_is_a_person():
    assert torch.equal(presenter(3).keypoints, presenter(3).keypoints)
    assert not torch.allclose(presenter(3).keypoints, presenter(4).keypoints)


def test_what_moves_is_in_the_picture():
    for seed in range(50):
        pose = presenter(seed)
        for region in (FACE, LEFT_HAND, RIGHT_HAND):
            points = pose.keypoints[0, region.start : region.stop]
            assert points.min() > 0
            assert points.max() < 1


def test_lips_lie_in_the_face_and_hands_below_it():
    for seed in range(20):
        pose = presenter(seed)
        xy, score = pose.pixels[0].numpy(), pose.score[0].numpy()
        face, lips = face_box(xy, score, 512, 512), lip_box(xy, score, 512, 512)
        assert face[0] <= lips[0] < lips[2] <= face[2]
        assert face[1] <= lips[1] < lips[3] <= face[3]
        assert all(box[1] > face[3] for box in hand_boxes(xy, score, 512, 512))
