"""The 133 keypoints of COCO-WholeBody, in which detectors answer, and our 134 (see ``skeleton``)."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import is_visible

NUM_COCO_KEYPOINTS = 133
COCO_LEFT_SHOULDER, COCO_RIGHT_SHOULDER = 5, 6
COCO_NECK = 17  # where the neck is inserted, behind COCO's 17 body points
OPENPOSE_BODY_FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)


def coco_to_openpose(keypoints: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """133 COCO-WholeBody points -> our 134 (see ``skeleton``): [..., 133, 2], [..., 133] -> [..., 134, 2], [..., 134].

    The neck is the middle of the shoulders, and is seen (score 1) where both of them are.
    """
    shoulders = [COCO_LEFT_SHOULDER, COCO_RIGHT_SHOULDER]
    neck = keypoints[..., shoulders, :].mean(axis=-2)
    neck_score = is_visible(score[..., shoulders]).all(axis=-1)
    keypoints = np.insert(keypoints, COCO_NECK, neck, axis=-2)
    score = np.insert(score, COCO_NECK, neck_score, axis=-1)
    order = [*OPENPOSE_BODY_FROM_COCO, *range(len(OPENPOSE_BODY_FROM_COCO), NUM_COCO_KEYPOINTS + 1)]
    return keypoints[..., order, :], score[..., order]
