"""A dozen prompts in one server, some of them wrong or cancelled; two hundred, and the memory: ``many_prompts.py``."""

import pytest
from many_prompts import DELETED, INTERRUPTED, VALID, soak, write_inputs

pytestmark = pytest.mark.comfy


def test_each_of_a_dozen_prompts_ends_as_it_should(server):
    write_inputs(server.base)
    told = soak(server, 12, seed=0)
    assert told["otherwise"] == []
    wrong = {"wrong, refused": 1, "wrong, failed": 1}
    assert told["as_they_should"] == {VALID: 8, INTERRUPTED: 1, DELETED: 1, **wrong}
    assert told["first_prompt_again_is_equal"]
