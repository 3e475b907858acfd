import sys

import numpy as np
import pytest
from golden import onnx_stand_ins

from mmgt.detect.example_portrait import ExamplePortrait
from mmgt.detect.find import find_detector
from mmgt.errors import InputError
from mmgt.people import initial_pose_of
from mmgt.weights import in_models


def test_dwpose_files_are_found_by_name_also_in_its_own_folder(tmp_path):
    detector, pose = onnx_stand_ins()
    (tmp_path / "DWPose").mkdir()
    (tmp_path / "DWPose" / "yolox_l.onnx").write_bytes(detector.read_bytes())
    (tmp_path / "dw-ll_ucoco_384.onnx").write_bytes(pose.read_bytes())
    found = find_detector(in_models(tmp_path), ["CPUExecutionProvider"])
    assert found.provider == "CPUExecutionProvider"  # type: ignore[attr-defined]


def test_without_any_detector_the_advice_names_three_ways(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    detector = find_detector(in_models(tmp_path))
    assert isinstance(detector, ExamplePortrait)
    with pytest.raises(InputError) as error:
        initial_pose_of(detector, np.zeros((100, 100, 3), np.uint8))
    reason = "cannot be imported (import of mediapipe halted"
    files = ("yolox_l.onnx", "dw-ll_ucoco_384.onnx", str(tmp_path))
    for way in (*files, reason, "mediapipe==0.10.21", "--poses"):
        assert way in str(error.value)
