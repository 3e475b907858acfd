"""Both model loaders with the switches of ComfyUI's dynamic VRAM, in ComfyUI's own process: see ``loading.py``."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from comfyui import COMFYUI, PYTHON, REPOSITORY, need_comfyui
from safetensors.torch import save_file
from tiny import HEADS, tiny_state

from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import to_authors
from mmgt.smga.model import SMGA

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    need_comfyui()
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=4, audio_channels=35)
    smga = {key: torch.randn_like(tensor) * 0.1 for key, tensor in to_authors(SMGA(config).state_dict()).items()}
    paths = []
    for name, tensors, heads in (("mmhaa", tiny_state(), HEADS), ("smga", smga, {"num_heads": 4})):
        paths.append(folder / f"{name}.safetensors")
        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(tensors, paths[-1], {"config": json.dumps(heads)})
    script = Path(__file__).with_name("loading.py")
    command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), *map(str, paths)]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("system", ["dynamic", "dynamic_on_windows"])
def test_both_models_load_and_predict_the_same_with_dynamic_vram(facts, system):
    """Core's own linear layers have no weight before loading then: Windows from 0.16, every system from 0.30."""
    if facts["dynamic"] is None:
        pytest.skip("this ComfyUI has no dynamic VRAM")
    assert min(facts["sizes"]) > 0.1
    assert facts[system] == [0, 0]
