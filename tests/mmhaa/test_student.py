import json

import pytest
from safetensors.torch import save_file
from tiny import HEADS, tiny_state

from mmgt.errors import InputError
from mmgt.mmhaa.load import load_mmhaa, student_of_file
from mmgt.mmhaa.student import Student, read_student


def test_a_use_that_it_was_not_distilled_for_is_one_sentence():
    student = Student(4)
    assert student.misuse(4, is_guided=False) == ""
    assert "with guidance; take 4 steps and cfg 1." in student.misuse(4, is_guided=True)
    both = student.misuse(30, is_guided=True)
    assert "with 30 steps and with guidance; take 4 steps and cfg 1." in both
    assert both.count(".") == 1


def test_a_file_says_it(tmp_path):
    path = tmp_path / "net.safetensors"
    tensors = {key: value.contiguous() for key, value in tiny_state().items()}
    for config, wanted in (({}, None), (Student(2, 0.5).config, Student(2, 0.5)), ({"student_steps": 1}, Student(1))):
        save_file(tensors, path, {"config": json.dumps({**HEADS, **config})})
        assert load_mmhaa(path).student == student_of_file(path) == wanted


@pytest.mark.parametrize(
    "config", [{"student_steps": 0}, {"student_steps": "4"}, {"student_steps": 4, "shared_noise": 2}]
)
def test_nonsense_in_a_file_is_said(config):
    with pytest.raises(InputError, match="in the config of net's metadata"):
        read_student(config, "net")
