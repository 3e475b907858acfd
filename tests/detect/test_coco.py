import numpy as np

from mmgt.detect.coco import coco_to_openpose


def test_neck_is_between_the_shoulders_and_seen_with_both():
    keypoints, score = np.random.default_rng(1).uniform(0, 9, (2, 133, 2)), np.ones((2, 133), np.float32)
    score[1, 5] = 0.2
    points, scores = coco_to_openpose(keypoints, score)
    np.testing.assert_allclose(points[:, 1], (keypoints[:, 5] + keypoints[:, 6]) / 2)
    assert scores[:, 1].tolist() == [1, 0]
    np.testing.assert_allclose(points[:, 0], keypoints[:, 0])
    np.testing.assert_allclose(points[:, 4], keypoints[:, 10])  # right wrist
    np.testing.assert_allclose(points[:, 24:], keypoints[:, 23:])  # face and hands keep their order
