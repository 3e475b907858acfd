"""Both model loaders with the switches of ComfyUI's dynamic VRAM, in ComfyUI's own process: see ``loading.py``."""

import json
import subprocess
from pathlib import Path

import pytest
from comfyui import COMFYUI, PYTHON, REPOSITORY, need_comfyui
from safetensors.torch import save_file
from tiny import HEADS, tiny_state
from tiny_smga import NUM_HEADS, tiny_smga_state

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    need_comfyui()
    folder = tmp_path_factory.mktemp("tiny")
    paths = []
    for name, tensors, heads in (("mmhaa", tiny_state(), HEADS), ("smga", tiny_smga_state(), {"num_heads": NUM_HEADS})):
        paths.append(folder / f"{name}.safetensors")
        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(tensors, paths[-1], {"config": json.dumps(heads)})
    script = Path(__file__).with_name("loading.py")
    command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), *map(str, paths)]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("system", ["dynamic", "dynamic_on_windows"])
def test_both_models_load_and_predict_the_same_with_dynamic_vram(facts, system):
    """Core's own linear layers have no weight before loading then: Windows from 0.16, every system from 0.30."""
    if facts["dynamic"] is None:
        pytest.skip("this ComfyUI has no dynamic VRAM")
    assert min(facts["sizes"]) > 0.1
    assert facts[system] == [0, 0]
