"""What the subcommands share: where files are looked for, and how progress is printed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def model_folders(given: Path | None) -> list[Path]:
    """Where weights are looked for: the given folder, else ./models/mmgt and that of a ComfyUI."""
    if given is not None:
        return [given]
    comfyui = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    return [Path("models/mmgt"), comfyui / "models" / "mmgt"]


def show_progress(label: str) -> Callable[[int, int], None]:
    """Prints "label 40 %" at every tenth of the work."""
    printed = -1

    def show(step: int, total: int) -> None:
        nonlocal printed
        tenth = step * 10 // total
        if tenth > printed:
            printed = tenth
            print(f"{label} {step * 100 // total} % ({step}/{total})", flush=True)

    return show
