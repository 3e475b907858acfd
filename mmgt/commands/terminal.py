"""What the subcommands share: where files are looked for, and how progress is printed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def models_roots() -> list[Path]:
    """Models folders, the likeliest first: of $COMFYUI_PATH, of the ComfyUI that this pack lies in, of ~/ComfyUI; then
    ./models."""
    named = os.environ.get("COMFYUI_PATH")
    comfyui = Path(named) if named else _surrounding_comfyui() or _home() / "ComfyUI"
    roots = [comfyui / "models"] if comfyui.is_dir() else []
    return [*roots, Path("models")]


def _surrounding_comfyui() -> Path | None:
    """The ComfyUI whose custom_nodes hold this pack; also where the pack is linked and the command runs in the link."""
    for pack in (Path(__file__).absolute().parents[2], Path(os.environ.get("PWD", "."))):
        if pack.parent.name == "custom_nodes":
            return pack.parent.parent
    return None


def _home() -> Path:
    """The home folder, or the current one for a user who has none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path()


def model_folders(given: Path | None) -> list[Path]:
    """Where DWPose and SMGA are looked for: the given folder, else mmgt of ``models_roots``."""
    return [given] if given is not None else [root / "mmgt" for root in models_roots()]


def show_progress(label: str, unit: str = "it") -> Callable[[int, int], None]:
    """A bar with the time left on a terminal; elsewhere a line "label 40 %" at every tenth of the work."""
    if not sys.stderr.isatty():
        return _lines(label)
    from tqdm import tqdm

    bar: tqdm | None = None

    def show(step: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, initial=0 if step <= 1 else step, desc=label, unit=unit, unit_scale=unit == "B")
        bar.update(step - bar.n)
        if step >= total:
            bar.close()

    return show


def _lines(label: str) -> Callable[[int, int], None]:
    printed = -1

    def show(step: int, total: int) -> None:
        nonlocal printed
        tenth = step * 10 // total
        if tenth > printed:
            printed = tenth
            print(f"{label} {step * 100 // total} % ({step}/{total})", flush=True)

    return show
