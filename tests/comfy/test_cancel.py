"""A cancel acts at the next look of a node, and a node looks at each of its steps: see ``cancelling.py``.

Counted, as seconds depend on what else the machine does.
"""

import json
import subprocess
from pathlib import Path

import pytest
from comfyui import ARGUMENTS, COMFYUI, PYTHON, REPOSITORY, need_comfyui
from tiny_smga import save_tiny_smga, tiny_smga_state

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    need_comfyui()
    base = tmp_path_factory.mktemp("cancel")
    (base / "custom_nodes").mkdir()
    save_tiny_smga(base / "smga.safetensors", tiny_smga_state())
    script = Path(__file__).with_name("cancelling.py")
    command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), str(base / "smga.safetensors"), *ARGUMENTS]
    command += ["--base-directory", str(base)]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_long_node_looks_at_every_step(facts):
    assert len(facts) == 9
    for name, (looks, num_steps, *_) in facts.items():
        assert looks >= num_steps, name  # newer cores look in their own layers besides


def test_a_large_photo_is_looked_at_in_bands(facts):
    """16 bands of each of several steps of its preparation, and of each frame."""
    looks, num_frames, *_ = facts["Preview Motion of a large photo"]
    assert looks > 16 * (5 + 2 * num_frames)


def test_a_cancelled_node_ends_at_that_look(facts):
    for name, (_, _, error, looks, cancelled_at) in facts.items():
        assert (error, looks) == ("InterruptProcessingException", cancelled_at), name
