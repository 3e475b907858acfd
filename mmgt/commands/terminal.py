"""What the subcommands share: the models folder, and how progress is printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_models_option(parser: argparse.ArgumentParser, *other_names: str) -> None:
    parser.add_argument(
        "--models",
        *other_names,
        dest="models",
        type=Path,
        metavar="DIR",
        help="the models folder: ComfyUI's, with mmgt, vae, ... in it, or any with the files in or below it (default: "
        "of $COMFYUI_PATH, of the ComfyUI that this pack lies in, or of ~/ComfyUI, then ./models)",
    )


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
