"""How the authors take DWPose's answer, for comparison with the numbers that were recorded from it."""

import numpy as np

from mmgt.detect.coco import coco_to_openpose
from mmgt.detect.dwpose import DWPose, find_boxes, find_keypoints, prepare_picture
from mmgt.people import Detection


def detect_people_as_authors(model: DWPose, picture: np.ndarray) -> Detection:
    """Where nobody is found the whole picture counts as a person; pixels are those of the prepared picture (short side
    512), and scores are the network's own."""
    prepared = prepare_picture(picture)
    height_px, width_px = prepared.shape[:2]
    boxes, confidence = find_boxes(model.detector, prepared)
    if not len(boxes):
        boxes, confidence = np.array([[0.0, 0.0, width_px, height_px]]), np.zeros(1)
    keypoints, score = coco_to_openpose(*find_keypoints(model.pose_net, prepared, boxes))
    return Detection(boxes, confidence, keypoints, score, height_px, width_px)
