"""All networks on a second device in ComfyUI's own process, wholly and partly loaded: see ``second_device.py``.

The device is the tool ``build.py`` of the folder that MMGT_SECOND_DEVICE names, else of ``../shared/tools/gpu`` beside
the checkout: its memory is the CPU's, and tensors of two devices do not mix, as on a GPU.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from comfyui import COMFYUI, PYTHON, REPOSITORY, need_comfyui
from safetensors.torch import save_file
from tiny import HEADS, tiny_state
from tiny_encoders import TINY_WAV2VEC2, tiny_wav2vec2, tiny_wavlm
from tiny_pictures import CLIP_CONFIG, tiny_clip_state
from tiny_smga import NUM_HEADS, tiny_smga_state

pytestmark = pytest.mark.comfy

TOOL = Path(os.environ.get("MMGT_SECOND_DEVICE") or REPOSITORY.parent / "shared" / "tools" / "gpu")


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    need_comfyui()
    if not (TOOL / "build.py").is_file():
        pytest.skip(f"no second device in {TOOL} (set MMGT_SECOND_DEVICE)")
    if not (shutil.which("c++") and shutil.which("ninja")):
        pytest.skip("no C++ compiler (c++ and ninja) to build the second device with")
    folder = tmp_path_factory.mktemp("tiny")
    networks = {
        "mmhaa": (tiny_state(), HEADS),
        "smga": (tiny_smga_state(), {"num_heads": NUM_HEADS}),
        "wavlm": (tiny_wavlm().network.state_dict(), {}),
        "wav2vec2": (tiny_wav2vec2().network.state_dict(), {"num_heads": TINY_WAV2VEC2["num_attention_heads"]}),
        "clip": (tiny_clip_state(projection_dim=24), CLIP_CONFIG),
    }
    for name, (tensors, sizes) in networks.items():
        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(tensors, folder / f"{name}.safetensors", {"config": json.dumps(sizes)})
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / "mmgt_second_device" / hashlib.sha256(PYTHON.encode()).hexdigest()[:12]  # once for each python
    script = Path(__file__).with_name("second_device.py")
    command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), str(folder), str(TOOL), str(built)]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("share", "devices"), [(1.0, ["gpu"]), (0.5, ["cpu", "gpu"]), (0.0, ["cpu"])], ids=["whole", "half", "nothing"]
)
@pytest.mark.parametrize(
    ("network", "tolerance"), [("smga", 1e-4), ("reference", 1e-4), ("video", 5e-3), ("loop", 2e-2)]
)
def test_a_network_works_wherever_its_weights_are(facts, network, tolerance, share, devices):
    difference, found = facts[f"{network} {share}"]
    assert found == devices
    assert difference < tolerance
    assert difference == facts[f"{network} 1.0"][0]


@pytest.mark.parametrize(("state", "devices"), [("NORMAL_VRAM", ["gpu"]), ("NO_VRAM", ["cpu"])])
@pytest.mark.parametrize("speech", ["wavlm 20", "wavlm 800", "wav2vec2 20", "wav2vec2 800"])
def test_speech_is_encoded_on_another_device(facts, speech, state, devices):
    """Frames of it; 800 are encoded in chunks. With no memory for weights core leaves these networks on the CPU."""
    difference, found = facts[f"{speech} {state}"]
    assert found == devices
    assert difference < 1e-3


def test_the_photo_is_looked_at_on_another_device(facts):
    assert facts["clip"] < 1e-4


@pytest.mark.parametrize("state", ["NORMAL_VRAM", "NO_VRAM"])
def test_a_video_is_sampled_by_core_on_another_device(facts, state):
    assert facts[f"sampled {state}"] < 2e-2


def test_networks_without_cores_layers_are_loaded_whole(facts):
    """Core loads those of their layers that fit and leaves the rest, which then meets inputs of the other device."""
    assert facts["whole"] == {"torch's layers": True, "core's": False}
