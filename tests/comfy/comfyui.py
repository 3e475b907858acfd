"""Which ComfyUI the tests run in, and how it is asked over HTTP.

COMFYUI_PATH (else ~/ComfyUI) is its checkout, COMFYUI_PYTHON the python it runs in, COMFYUI_ARGS more of its own
arguments ("--fp16-intermediates --cache-ram 8").
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

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


@contextmanager
def started(base: Path, **environment: str) -> Iterator["Server"]:
    """ComfyUI with this checkout, in a folder that gets what is missing of ComfyUI's own; stopped at the end."""
    for folder in ("custom_nodes", "input", "output", "user", "models/mmgt"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    if not (base / "custom_nodes" / "comfyui-mmgt").exists():
        (base / "custom_nodes" / "comfyui-mmgt").symlink_to(REPOSITORY)
        shutil.copy(REPOSITORY / "mmgt" / "assets" / "speech.wav", base / "input")
        Image.open(REPOSITORY / "mmgt" / "assets" / "astronaut.jpg").save(base / "input" / "portrait.png")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "main.py", *ARGUMENTS, "--listen", "127.0.0.1", "--port", str(port)]
    command += ["--base-directory", str(base)]
    command += ["--database-url", f"sqlite:///{base}/user/comfyui.db", "--disable-auto-launch", "--disable-api-nodes"]
    with (base / "server.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=COMFYUI, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    running = Server(base, port, process)
    try:
        for _ in range(START_SECONDS * 5):
            if process.poll() is not None:
                raise RuntimeError(f"ComfyUI ended while starting:\n{running.log[-2000:]}")
            try:
                running.get("/object_info")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        else:
            raise RuntimeError(f"ComfyUI did not answer in {START_SECONDS} s:\n{running.log[-2000:]}")
        yield running
    finally:
        process.terminate()
        process.wait(30)


def outputs_of(history: dict) -> dict:
    """Outputs of a prompt that has ended, by node id; a failed one raises RuntimeError with the node's words."""
    if history["status"]["status_str"] != "success":
        messages = [data for name, data in history["status"]["messages"] if name == "execution_error"]
        raise RuntimeError(messages[0]["exception_message"] if messages else history["status"])
    return history["outputs"]


class Server:
    def __init__(self, base: Path, port: int, process: subprocess.Popen) -> None:
        self.base, self.url, self.process = base, f"http://127.0.0.1:{port}", process

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def queue(self, prompt: dict, client: str | None = None) -> str:
        """Queue an API-format prompt; returns its id. client: the id of a page that listens.

        A prompt of which something is refused raises RuntimeError with the server's words; the rest of it may run.
        """
        body = json.dumps({"prompt": prompt, **({"client_id": client} if client else {})}).encode()
        request = urllib.request.Request(f"{self.url}/prompt", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                queued = json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error
        if queued.get("node_errors"):
            raise RuntimeError(json.dumps(queued["node_errors"]))
        return queued["prompt_id"]

    def post(self, path: str, body: dict) -> None:
        header = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), header)
        urllib.request.urlopen(request, timeout=60).close()

    def cancel(self, prompt_id: str | None = None) -> None:
        """Interrupt what runs now, as the page's button does; prompt_id: only if it is this one."""
        self.post("/interrupt", {} if prompt_id is None else {"prompt_id": prompt_id})

    def forget(self, prompt_id: str) -> None:
        """Take a prompt that waits off the queue."""
        self.post("/queue", {"delete": [prompt_id]})

    def ended(self, prompt_id: str) -> dict | None:
        """History of a prompt that has ended."""
        history = self.get(f"/history/{prompt_id}").get(prompt_id)
        is_there = history and history["status"]["completed"] is not None and history["status"]["status_str"]
        return history if is_there else None

    def wait(self, prompt_id: str) -> dict:
        """History of a prompt once it has ended."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < RUN_SECONDS:
            history = self.ended(prompt_id)
            if history:
                return history
            time.sleep(min(1.0, 0.2 + waited / 20))
        raise TimeoutError(prompt_id)

    def run(self, prompt: dict) -> dict:
        """Outputs of a prompt by node id; a failed one raises RuntimeError with the node's words."""
        return outputs_of(self.wait(self.queue(prompt)))

    @property
    def cpu_seconds(self) -> float:
        """Of its process, where there is /proc."""
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mb(self) -> float:
        """Memory of its process, where there is /proc."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def log(self) -> str:
        return (self.base / "server.log").read_text(errors="replace")
