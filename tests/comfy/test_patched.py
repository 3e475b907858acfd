"""Stage II under core's nodes that change a MODEL, in ComfyUI's own process: see ``patched.py``."""

import json
import subprocess
from pathlib import Path

import pytest
from comfyui import COMFYUI, PYTHON, REPOSITORY, need_comfyui
from safetensors.torch import save_file
from tiny import HEADS, tiny_state

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    need_comfyui()
    folder = tmp_path_factory.mktemp("tiny")
    checkpoints = [folder / "net.safetensors", folder / "of_two_levels.safetensors"]
    for checkpoint, state in zip(checkpoints, (tiny_state(), tiny_state(widths=(32, 32))), strict=True):
        tensors = {key: tensor.contiguous() for key, tensor in state.items()}
        save_file(tensors, checkpoint, {"config": json.dumps(HEADS)})
    command = [PYTHON, str(Path(__file__).with_name("patched.py")), str(COMFYUI), str(REPOSITORY)]
    command += map(str, checkpoints)
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_scheduled_lora_acts_from_its_step_on(facts):
    """Keys and values of the steps before it are not kept."""
    assert facts["hooks"]["acts"] > 0.05
    assert facts["hooks"]["off"] == facts["hooks"]["undone"] == 0


def test_windows_of_another_node_are_refused(facts):
    assert facts["context_windows"].startswith("InputError: Context Windows changes this MODEL")
    assert facts["cut"].startswith("InputError: the sampler asks for 2 frames of a video of 5")


def test_weights_are_cast_only_for_another_dtype(facts):
    in_own_dtype, in_another, difference = facts["casts"]
    assert (in_own_dtype, in_another) == (0, 1)
    assert 0 < difference < 0.1


@pytest.mark.parametrize("weights", ["as computed", "cast"])
def test_a_compiled_model_is_one_graph(facts, weights):
    """Whatever core's attention is: parts between breaks would be compiled for each layer, up to dynamo's limit."""
    assert facts["compiled"][weights] == [1, 0, 0.0]
