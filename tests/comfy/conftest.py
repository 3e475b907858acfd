"""A real ComfyUI on this checkout, driven over HTTP. COMFYUI_PATH (else ~/ComfyUI) and COMFYUI_PYTHON say which."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
COMFYUI = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)
START_SECONDS, RUN_SECONDS = 180, 300


def can_run() -> bool:
    """Whether this python can run ComfyUI's server at all."""
    probe = "import aiohttp, torch, transformers, torchsde"
    return subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0


class Server:
    def __init__(self, base: Path, port: int) -> None:
        self.base, self.url = base, f"http://127.0.0.1:{port}"

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def queue(self, prompt: dict) -> str:
        """Queue an API-format prompt; returns its id. A refused prompt raises RuntimeError with the server's words."""
        body = json.dumps({"prompt": prompt}).encode()
        request = urllib.request.Request(f"{self.url}/prompt", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["prompt_id"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

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


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if not (COMFYUI / "main.py").is_file():
        pytest.skip(f"no ComfyUI in {COMFYUI} (set COMFYUI_PATH)")
    if not can_run():
        pytest.skip(f"{PYTHON} cannot run ComfyUI (set COMFYUI_PYTHON)")
    base = tmp_path_factory.mktemp("comfyui")
    for folder in ("custom_nodes", "input", "output", "user", "models/mmgt"):
        (base / folder).mkdir(parents=True)
    (base / "custom_nodes" / "comfyui-mmgt").symlink_to(REPOSITORY)
    shutil.copy(REPOSITORY / "mmgt" / "assets" / "speech.wav", base / "input")
    skimage = pytest.importorskip("skimage.data")
    from PIL import Image

    Image.fromarray(skimage.astronaut()).save(base / "input" / "portrait.png")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base}/user/comfyui.db", "--disable-auto-launch", "--disable-api-nodes"]
    with (base / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=COMFYUI, stdout=log, stderr=subprocess.STDOUT)
    running = Server(base, port)
    try:
        for _ in range(START_SECONDS * 2):
            if process.poll() is not None:
                pytest.fail(f"ComfyUI ended while starting:\n{running.log[-2000:]}")
            try:
                running.get("/object_info")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        else:
            pytest.fail(f"ComfyUI did not answer in {START_SECONDS} s:\n{running.log[-2000:]}")
        yield running
    finally:
        process.terminate()
        process.wait(30)
