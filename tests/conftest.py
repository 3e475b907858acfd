"""How the tests share a machine: one process a core, one thread a process."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy; for the commands that tests start, too

import pytest
import torch

torch.set_num_threads(1)  # tensors in the tests are tiny: a second thread costs more than it brings


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A file's tests run in one process, as they share what it prepares; all that ask a ComfyUI share one server."""
    for item in items:
        group = "comfyui" if item.get_closest_marker("comfy") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
