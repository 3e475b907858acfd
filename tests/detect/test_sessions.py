import sys

import pytest
from golden import onnx_stand_ins

from mmgt.detect import load_dwpose
from mmgt.detect.sessions import best_providers
from mmgt.errors import InputError


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


def test_accelerators_come_first_and_slow_or_remote_ones_not_at_all():
    available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "AzureExecutionProvider", "CPUExecutionProvider"]
    assert best_providers(available) == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert best_providers(["DmlExecutionProvider", "CPUExecutionProvider"])[0] == "DmlExecutionProvider"
