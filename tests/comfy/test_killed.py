"""A server that is killed while it writes a video: queued again, the same file; see ``killed.py``."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from comfyui import ARGUMENTS, COMFYUI, PYTHON, REPOSITORY, need_comfyui

pytestmark = pytest.mark.comfy


def test_a_killed_decode_goes_on_to_the_same_file(tmp_path):
    need_comfyui()

    def decode(base, decodes):
        (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
        script = Path(__file__).with_name("killed.py")
        command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), str(decodes), *ARGUMENTS]
        return subprocess.run(
            [*command, "--base-directory", str(base)],
            cwd=COMFYUI,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = decode(whole, 99)
    assert done.stdout.split()[-1] == "5", done.stderr[-3000:]
    assert decode(killed, 3).returncode == -signal.SIGKILL  # within the second part of eight frames
    assert [path.suffix for path in (killed / "output").iterdir()] == [".unfinished"]
    assert decode(killed, 99).stdout.split()[-1] == "4"  # the first again, which tells the VAE, and the last three
    (made,), (expected,) = ((base / "output").iterdir() for base in (killed, whole))
    assert made.read_bytes() == expected.read_bytes()
