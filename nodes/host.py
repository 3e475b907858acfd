"""THE SEAM: the sole importer of comfy.* and folder_paths.

File lookup, memory management, layers, progress and interrupt come from ComfyUI through these functions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.ops
import comfy.utils
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher

from ..mmgt.errors import InputError

MODEL_FOLDER = "mmgt"  # models/mmgt, and what extra_model_paths.yaml adds under this name
CHECKPOINT_SUFFIXES = (".safetensors", ".sft", ".pt", ".pth")

OPERATIONS = comfy.ops.manual_cast  # layers that ComfyUI may load partially, cast and patch


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


def progress() -> Callable[[int, int], None]:
    """A callback(step, total) that moves the node's progress bar and raises when the user cancels."""
    bar: comfy.utils.ProgressBar | None = None

    def show(step: int, total: int) -> None:
        nonlocal bar
        bar = bar or comfy.utils.ProgressBar(total)
        check_interrupt()
        bar.update_absolute(step, total)

    return show


def check_interrupt() -> None:
    """Raise if the user has cancelled."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def managed(model: torch.nn.Module) -> ModelPatcher:
    """Hand a model to ComfyUI's memory management."""
    return ModelPatcher(
        model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def on_device(patcher: ModelPatcher, memory_required_bytes: int) -> tuple[Any, torch.device]:
    """Load a managed model for use now; returns the model and the device to compute on."""
    comfy.model_management.load_models_gpu([patcher], memory_required=memory_required_bytes)
    return patcher.model, patcher.load_device
