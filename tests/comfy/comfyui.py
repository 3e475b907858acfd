"""Which ComfyUI the tests run in, and how it is asked over HTTP.

COMFYUI_PATH (else ~/ComfyUI) is its checkout, COMFYUI_PYTHON the python it runs in, COMFYUI_ARGS more of its own
arguments ("--fp16-intermediates --cache-ram 8").
"""

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COMFYUI = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI").resolve()
PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)
if os.sep in PYTHON:
    PYTHON = str(Path(PYTHON).absolute())  # it is started in another folder; a link to a python names its environment
ARGUMENTS = ["--cpu", *shlex.split(os.environ.get("COMFYUI_ARGS", ""))]
START_SECONDS, RUN_SECONDS = 300, 900  # on a busy machine


def can_run() -> bool:
    """Whether this python can run ComfyUI's server at all."""
    probe = "import aiohttp, torch, transformers, torchsde"
    return subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0


def need_comfyui() -> None:
    """Skip a test where there is no ComfyUI to run in; fail it where COMFYUI_PATH names one that cannot be run."""
    give_up = pytest.fail if os.environ.get("COMFYUI_PATH") else pytest.skip
    if not (COMFYUI / "main.py").is_file():
        give_up(f"no ComfyUI in {COMFYUI} (set COMFYUI_PATH)")
    if not can_run():
        give_up(f"{PYTHON} cannot run ComfyUI (set COMFYUI_PYTHON)")


class Server:
    def __init__(self, base: Path, port: int) -> None:
        self.base, self.url = base, f"http://127.0.0.1:{port}"

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def queue(self, prompt: dict) -> str:
        """Queue an API-format prompt; returns its id.

        A prompt of which something is refused raises RuntimeError with the server's words; the rest of it may run.
        """
        body = json.dumps({"prompt": prompt}).encode()
        request = urllib.request.Request(f"{self.url}/prompt", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                queued = json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
        if queued.get("node_errors"):
            raise RuntimeError(json.dumps(queued["node_errors"]))
        return queued["prompt_id"]

    def cancel(self) -> None:
        """Interrupt what runs now, as the page's button does."""
        header = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/interrupt", b"{}", header), timeout=60).close()

    def wait(self, prompt_id: str) -> dict:
        """History of a prompt once it has ended."""
        for _ in range(RUN_SECONDS * 5):
            history = self.get(f"/history/{prompt_id}").get(prompt_id)
            if history and history["status"]["completed"] is not None and history["status"]["status_str"]:
                return history
            time.sleep(0.2)
        raise TimeoutError(prompt_id)

    def run(self, prompt: dict) -> dict:
        """Outputs of a prompt by node id; a failed one raises RuntimeError with the node's words."""
        history = self.wait(self.queue(prompt))
        if history["status"]["status_str"] != "success":
            messages = [data for name, data in history["status"]["messages"] if name == "execution_error"]
            raise RuntimeError(messages[0]["exception_message"] if messages else history["status"])
        return history["outputs"]

    @property
    def log(self) -> str:
        return (self.base / "server.log").read_text(errors="replace")
