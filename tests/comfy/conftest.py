"""A real ComfyUI on this checkout, driven over HTTP."""

import shutil

import pytest
from comfyui import need_comfyui, started


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    need_comfyui()
    with started(tmp_path_factory.mktemp("comfyui")) as running:
        yield running


@pytest.fixture(scope="session")
def networks(server):
    """Small random networks under all published names; the server that has them."""
    from stand_ins import write_stand_ins

    write_stand_ins(server.base / "models")
    yield server
    for folder in ("vae", "clip_vision"):  # core has them at full size only
        shutil.rmtree(server.base / "models" / folder)
