"""ComfyUI's folders: which files there are, where they lie, and where new ones go."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ...mmgt.errors import InputError

MODEL_FOLDER = "mmgt"  # models/mmgt, and what extra_model_paths.yaml adds under this name
CHECKPOINT_SUFFIXES = (".safetensors", ".sft", ".pt", ".pth")


def register_model_folder() -> None:
    """Make models/mmgt known, beside whatever extra_model_paths.yaml named it for."""
    folder_paths.add_model_folder_path(MODEL_FOLDER, os.path.join(folder_paths.models_dir, MODEL_FOLDER))


def model_files(suffixes: tuple[str, ...]) -> list[str]:
    """Files of models/mmgt for a combo, relative to their folder."""
    return [name for name in folder_paths.get_filename_list(MODEL_FOLDER) if name.lower().endswith(suffixes)]


def model_folders() -> list[Path]:
    return [Path(folder) for folder in folder_paths.get_folder_paths(MODEL_FOLDER)]


def model_path(name: str) -> Path:
    """Full path of a file of models/mmgt. Raises InputError naming the folders where it is not."""
    path = folder_paths.get_full_path(MODEL_FOLDER, name)
    if path is None:
        folders = " or ".join(str(folder) for folder in model_folders())
        raise InputError(f"there is no file '{name}' in {folders}; put it there and press R to refresh the lists.")
    return Path(path)


def input_files(suffix: str) -> list[str]:
    """Files of ComfyUI's input and output folders, the latter as "name [output]"."""
    folders = ((folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), " [output]"))
    return [
        f"{path.relative_to(folder).as_posix()}{mark}"
        for folder, mark in folders
        for path in sorted(Path(folder).rglob(f"*{suffix}"))
    ]


def input_path(name: str) -> Path:
    """Full path of a name from ``input_files``. Raises InputError for a name that leaves its folder."""
    for mark, folder in (
        (" [output]", folder_paths.get_output_directory()),
        (" [input]", folder_paths.get_input_directory()),
        ("", folder_paths.get_input_directory()),
    ):
        if name.endswith(mark):
            path = Path(folder, name.removesuffix(mark)).resolve()
            if not path.is_relative_to(Path(folder).resolve()):
                raise InputError(f"'{name}' lies outside of ComfyUI's input and output folders; copy the file there.")
            return path
    raise AssertionError("unreachable: every name ends with ''")


def new_output_path(filename_prefix: str, suffix: str) -> Path:
    """A numbered file of the output folder that does not exist yet."""
    folder, name, counter, _, _ = folder_paths.get_save_image_path(filename_prefix, folder_paths.get_output_directory())
    while (path := Path(folder, f"{name}_{counter:05}_{suffix}")).exists():
        counter += 1
    return path


def output_subfolder(path: Path) -> str:
    """Where a file of the output folder lies below it, as the page's previews want it."""
    return path.parent.relative_to(folder_paths.get_output_directory()).as_posix().removeprefix(".")
