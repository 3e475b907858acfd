"""What all kinds of files need: PyAV, an input that is there, an output that is not."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError


def import_av():  # type: ignore[no-untyped-def]
    """PyAV, or an InputError that says how to get it (ComfyUI has it)."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "reading sound and writing video needs PyAV, which is not installed; run `pip install av`."
        ) from error
    return av


def check_file(path: Path, kind: str, wanted: str) -> None:
    """Raise InputError unless there is a file with something in it. kind, wanted: what it should be, in words."""
    if not path.is_file():
        raise InputError(f"there is no {kind} {path}; give the path of {wanted}.")
    if path.stat().st_size == 0:
        raise InputError(f"the {kind} {path} is empty (0 bytes); give {wanted}.")


def check_output(path: Path) -> None:
    """Raise InputError if writing to ``path`` would replace something or has no folder to go to."""
    if path.exists():
        raise InputError(f"{path} exists already and is not overwritten; choose another name or remove it first.")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} into; create it first.")
