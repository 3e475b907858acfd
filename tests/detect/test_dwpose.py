from types import SimpleNamespace

import numpy as np
import pytest

from mmgt.detect import DWPose
from mmgt.detect.dwpose import prepare_picture
from mmgt.people import initial_pose_of


def test_pictures_are_prepared_to_multiples_of_64():
    assert prepare_picture(np.zeros((600, 600, 3), np.uint8)).shape == (512, 512, 3)
    assert prepare_picture(np.zeros((300, 400, 3), np.uint8)).shape == (512, 704, 3)


class Network:
    """Stands in for an onnxruntime session: fixed sizes and a function."""

    def __init__(self, size_px, answer):
        self.inputs, self.answer = [SimpleNamespace(name="x", shape=[1, 3, *size_px])], answer

    def get_inputs(self):
        return self.inputs

    def run(self, _names, feed):
        return self.answer(feed["x"][0])


def find_white_box(canvas):
    """As YOLOX would answer: one row at the last grid's first cell, whose stride is 32."""
    y, x = np.nonzero(canvas.min(axis=0) > 200)
    corners = np.array([[x.min(), y.min()], [x.max() + 1, y.max() + 1]], float)
    rows = np.zeros((1, 8400, 6), np.float32)
    rows[0, 8000] = [*corners.mean(axis=0) / 32, *np.log((corners[1] - corners[0]) / 32), 1, 0.9]
    return [rows]


def find_blue_spot(crop):
    """As the pose network would answer: every keypoint at the centre of what is blue (channel 0 of BGR)."""
    y, x = np.nonzero((crop[0] > 1) & (crop[2] < 0))
    simcc_x, simcc_y = np.zeros((1, 133, 2 * 288)), np.zeros((1, 133, 2 * 384))
    simcc_x[..., round(2 * x.mean())] = simcc_y[..., round(2 * y.mean())] = 0.8
    return [simcc_x, simcc_y]


@pytest.mark.parametrize(("height_px", "width_px"), [(512, 512), (300, 400), (1000, 333), (720, 1280), (90, 64)])
def test_keypoints_lie_where_the_spot_is_in_a_picture_of_any_size(height_px, width_px):
    picture = np.full((height_px, width_px, 3), 20, np.uint8)
    fractions = np.mgrid[:height_px, :width_px] / np.array([height_px, width_px])[:, None, None]  # y, x
    picture[(np.abs(fractions - 0.5) < 0.3).all(axis=0)] = 255  # a white person, 0.2..0.8 of both sides
    spot = np.hypot((fractions[1] - 0.6) * width_px, (fractions[0] - 0.4) * height_px) < 0.04 * min(height_px, width_px)
    picture[spot] = (0, 0, 255)  # RGB
    model = DWPose(Network((640, 640), find_white_box), Network((384, 288), find_blue_spot), "test")
    pose = initial_pose_of(model, picture)
    np.testing.assert_allclose(pose.keypoints[0], np.tile([0.6, 0.4], (134, 1)), atol=0.01)
    box = model.detect(picture).boxes_px[0].reshape(2, 2) / [width_px, height_px]
    np.testing.assert_allclose(box, [[0.2, 0.2], [0.8, 0.8]], atol=0.02)
    assert (pose.height_px, pose.width_px) == (height_px, width_px)
    np.testing.assert_allclose(pose.score[0, [0, 1]], [0.8, 1.0])  # the neck is seen where the shoulders are
