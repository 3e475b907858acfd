"""Callables for processes of a batch that die over a clip."""

import os
import signal
from pathlib import Path


class Killed:
    """Makes a clip by writing its name; dies over "dies-once" the first time and over "dies" always."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, row):
        name = row["id"]
        if name == "dies" or (name == "dies-once" and not (self.folder / name).exists()):
            (self.folder / name).touch()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        (self.folder / f"{name}.{os.getpid()}").touch()
        return {"id": name, "ok": True, "seconds": 0.1, "num_frames": 2, "output": name, "error": ""}
