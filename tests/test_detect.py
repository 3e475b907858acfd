import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from golden import onnx_stand_ins

from mmgt.detect import (
    Detection,
    DWPose,
    best_providers,
    check_picture,
    choose_person,
    coco_to_openpose,
    initial_pose_of,
    letterbox,
    load_dwpose,
    prepare_picture,
    suppress_overlaps,
)
from mmgt.errors import InputError


def people(*boxes, confidence=None):
    num_people = len(boxes)
    random = np.random.default_rng(0)
    return Detection(
        boxes_px=np.array(boxes, float).reshape(-1, 4),
        confidence=np.array(confidence or np.linspace(1, 0.5, num_people)),
        keypoints_px=random.uniform(0, 100, (num_people, 134, 2)),
        score=np.ones((num_people, 134), np.float32),
        height_px=200,
        width_px=300,
    )


THREE = people((200, 0, 250, 100), (0, 0, 100, 150), (120, 0, 150, 50))  # right, left and largest, middle


@pytest.mark.parametrize(
    ("order", "index", "row"),
    [("largest", 0, 1), ("largest", 2, 2), ("highest score", 0, 0), ("left to right", 0, 1), ("left to right", 2, 0)],
)
def test_three_people_are_counted_in_the_order_asked_for(order, index, row):
    pose = choose_person(THREE, order, index)
    np.testing.assert_allclose(pose.pixels[0], THREE.keypoints_px[row], atol=1e-3)
    assert (pose.height_px, pose.width_px, pose.num_frames) == (200, 300, 1)


def test_nobody_and_too_few_people_are_one_sentence():
    with pytest.raises(InputError, match="nobody was found in the picture of 300x200 px"):
        choose_person(people())
    with pytest.raises(InputError, match="person 3 was asked for, but the picture shows 3 people"):
        choose_person(THREE, "largest", 3)
    with pytest.raises(InputError, match="choose one of largest"):
        choose_person(THREE, "tallest")  # type: ignore[arg-type]


def test_neck_is_between_the_shoulders_and_seen_with_both():
    keypoints, score = np.random.default_rng(1).uniform(0, 9, (2, 133, 2)), np.ones((2, 133), np.float32)
    score[1, 5] = 0.2
    points, scores = coco_to_openpose(keypoints, score)
    np.testing.assert_allclose(points[:, 1], (keypoints[:, 5] + keypoints[:, 6]) / 2)
    assert scores[:, 1].tolist() == [1, 0]
    np.testing.assert_allclose(points[:, 0], keypoints[:, 0])
    np.testing.assert_allclose(points[:, 4], keypoints[:, 10])  # right wrist
    np.testing.assert_allclose(points[:, 24:], keypoints[:, 23:])  # face and hands keep their order


def test_pictures_are_prepared_to_multiples_of_64():
    assert prepare_picture(np.zeros((600, 600, 3), np.uint8)).shape == (512, 512, 3)
    assert prepare_picture(np.zeros((300, 400, 3), np.uint8)).shape == (512, 704, 3)


def test_letterbox_pads_below_and_right():
    canvas, ratio = letterbox(np.full((100, 200, 3), 7, np.uint8), 640, 640)
    assert ratio == 3.2
    assert (canvas[:320] == 7).all()
    assert (canvas[320:] == 114).all()


def test_suppression_keeps_the_best_of_what_overlaps():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60.0]])
    assert suppress_overlaps(boxes, np.array([0.5, 0.9, 0.4])).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no|no file|does not exist"),
        (b"", "empty"),
        (b"<!doctype html><html>", "page|not an ONNX|cannot"),
        (b"version https://git-lfs.github.com/spec/v1\n", "lfs"),
        (b"\x08\x07 not a model at all", "cannot|not an ONNX|read"),
    ],
)
def test_a_wrong_onnx_file_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "yolox_l.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        load_dwpose(path, path, ["CPUExecutionProvider"])
    assert "yolox_l.onnx" in str(error.value)
    assert "\n" not in str(error.value)


def test_swapped_files_are_recognised():
    detector, pose = onnx_stand_ins()
    with pytest.raises(InputError) as error:
        load_dwpose(pose, detector, ["CPUExecutionProvider"])
    assert pose.name in str(error.value)
    assert "looks like dw-ll_ucoco_384.onnx (are the two files swapped?)" in str(error.value)
    assert "simcc_x" in str(error.value)


def test_an_unknown_provider_is_one_sentence():
    detector, pose = onnx_stand_ins()
    with pytest.raises(InputError, match="NoSuchProvider"):
        load_dwpose(detector, pose, ["NoSuchProvider"])


def test_missing_onnxruntime_names_package_and_alternatives(monkeypatch):
    detector, pose = onnx_stand_ins()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match="pip install onnxruntime") as error:
        load_dwpose(detector, pose)
    assert "MediaPipe" in str(error.value)


def test_several_people_are_logged(caplog):
    caplog.set_level("INFO", logger="mmgt")
    choose_person(replace(THREE))
    assert "3 people" in caplog.text


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


@pytest.mark.parametrize(
    "picture",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((9, 9, 4), np.uint8), np.zeros((2, 99, 3), "u1")],
)
def test_what_is_no_picture_is_one_sentence(picture):
    with pytest.raises(InputError, match=r"the picture (is|has)"):
        check_picture(picture)


def test_accelerators_come_first_and_slow_or_remote_ones_not_at_all():
    available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "AzureExecutionProvider", "CPUExecutionProvider"]
    assert best_providers(available) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert best_providers(["DmlExecutionProvider", "CPUExecutionProvider"])[0] == "DmlExecutionProvider"
