"""A real ComfyUI on this checkout, driven over HTTP."""

import shutil
import socket
import subprocess
import time
import urllib.error

import pytest
from comfyui import ARGUMENTS, COMFYUI, PYTHON, REPOSITORY, START_SECONDS, Server, need_comfyui
from PIL import Image


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    need_comfyui()
    base = tmp_path_factory.mktemp("comfyui")
    for folder in ("custom_nodes", "input", "output", "user", "models/mmgt"):
        (base / folder).mkdir(parents=True)
    (base / "custom_nodes" / "comfyui-mmgt").symlink_to(REPOSITORY)
    shutil.copy(REPOSITORY / "mmgt" / "assets" / "speech.wav", base / "input")
    Image.open(REPOSITORY / "mmgt" / "assets" / "astronaut.jpg").save(base / "input" / "portrait.png")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "main.py", *ARGUMENTS, "--listen", "127.0.0.1", "--port", str(port)]
    command += ["--base-directory", str(base)]
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


@pytest.fixture(scope="session")
def networks(server):
    """Small random networks under all published names; the server that has them."""
    from stand_ins import write_stand_ins

    write_stand_ins(server.base / "models")
    yield server
    for folder in ("vae", "clip_vision"):  # core has them at full size only
        shutil.rmtree(server.base / "models" / folder)
