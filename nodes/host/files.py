"""ComfyUI's folders: which files there are, where they lie, and where new ones go."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ...mmgt.assets import MODELS
from ...mmgt.errors import InputError
from ...mmgt.output_files import inside
from ...mmgt.weights.catalog import EVALUATION_FOLDER, OUR_FOLDER, SHIPPED, WeightFile, advice, missing_sentence
from ...mmgt.weights.files import CHECKPOINT_SUFFIXES, check_file
from ...mmgt.weights.places import find, is_shipped, places, shipped

DETECTOR_SUFFIXES = (".onnx",)
REFRESH = "Then press R to refresh the lists."


def register_model_folders() -> None:
    """Make models/mmgt and models/mmgt_eval known, beside whatever extra_model_paths.yaml named them for; then the
    folders of the small networks that are shipped, of which core's VAE Loader reads one."""
    for name in (OUR_FOLDER, EVALUATION_FOLDER):
        folder_paths.add_model_folder_path(name, os.path.join(folder_paths.models_dir, name))
    for folder in {file.folder for file in SHIPPED if shipped(file)}:
        folder_paths.add_model_folder_path(folder, str(MODELS / folder))


def model_files(file: WeightFile) -> list[str]:
    """Files for a combo that could be a file of the catalogue, relative to their folder; last what is shipped."""
    suffixes = DETECTOR_SUFFIXES if file.name.endswith(DETECTOR_SUFFIXES) else CHECKPOINT_SUFFIXES
    names = (name for folder in file.folders for name in folder_paths.get_filename_list(folder))
    fitting = dict.fromkeys(name for name in names if name.lower().endswith(suffixes))
    small = {other.shipped for other in SHIPPED}
    return [*(name for name in fitting if name not in small), *(name for name in fitting if name == file.shipped)]


def models_named(folder: str) -> list[str]:
    """Where a folder of ComfyUI's models lies, the place for new files first; without what is shipped."""
    return [path for path in folder_paths.get_folder_paths(folder) if not is_shipped(Path(path))]


def model_path(name: str, file: WeightFile) -> Path:
    """Full path of a name from ``model_files``. Raises InputError for one that is not there, or no model at all."""
    for folder in file.folders:
        path = folder_paths.get_full_path(folder, name)
        if path is not None:
            check_file(Path(path), advice(file))
            return Path(path)
    if name == file.name:
        raise InputError(f"{missing_sentence(file, places(file, models_named))} {REFRESH}")
    looked_into = " or ".join(map(str, places(file, models_named)))
    raise InputError(f"there is no file '{name}' ({file.purpose}) in {looked_into}; {advice(file)}. {REFRESH}")


def problem_with(name: str, file: WeightFile) -> str | None:
    """What ``model_path`` would raise, for ``validate_inputs``."""
    try:
        model_path(name, file)
    except InputError as error:
        return str(error)
    return None


def fingerprint(*chosen: tuple[str | None, WeightFile]) -> str:
    """Changes when a chosen file comes, goes or is replaced, for ``fingerprint_inputs``.

    chosen: names from ``model_files`` with what they should be. A name that is no file of its folders ("auto") stands
    for the file of the catalogue, wherever it lies.
    """
    found = []
    for name, file in chosen:
        named = (folder_paths.get_full_path(folder, name) for folder in file.folders) if name else ()
        path = next((Path(path) for path in named if path is not None), None)
        path = path or find(file, places(file, models_named))
        state = path.stat() if path is not None and path.is_file() else None
        found.append("none" if state is None else f"{path} {state.st_size} {state.st_mtime_ns}")
    return "; ".join(found)


def input_files(*suffixes: str) -> list[str]:
    """Files with these endings of ComfyUI's input and output folders, the latter as "name [output]"."""
    folders = ((folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), " [output]"))
    return [
        f"{path.relative_to(folder).as_posix()}{mark}"
        for folder, mark in folders
        for suffix in suffixes
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
            where = "ComfyUI's input and output folders, where it has to be"
            return inside(Path(folder), name.removesuffix(mark), "the file", where)
    raise AssertionError("unreachable: every name ends with ''")


def problem_with_input(name: str) -> str | None:
    """Why a name from ``input_files`` cannot be read, for ``validate_inputs``."""
    try:
        is_file = input_path(name).is_file()
    except InputError as error:
        return str(error)
    return None if is_file else f"there is no file '{name}' in ComfyUI's folders; choose another, or press R."


def state_of_input(name: str | None) -> str | None:
    """Changes when a file from ``input_files`` does, for ``fingerprint_inputs``; None for no file."""
    path = input_path(name or "")
    state = path.stat() if path.is_file() else None
    return None if state is None else f"{state.st_size} {state.st_mtime_ns}"


def new_output_path(filename_prefix: str, suffix: str) -> Path:
    """A numbered file of the output folder that does not exist yet. Raises InputError outside of it."""
    output_place(filename_prefix, suffix)
    return _new_path(filename_prefix, suffix, folder_paths.get_output_directory())


def new_temp_path(filename_prefix: str, suffix: str) -> Path:
    """The same of the folder that ComfyUI empties when it starts."""
    return _new_path(filename_prefix, suffix, folder_paths.get_temp_directory())


def _new_path(filename_prefix: str, suffix: str, folder: str) -> Path:
    folder, name, counter, _, _ = folder_paths.get_save_image_path(filename_prefix, folder)
    while (path := Path(folder, f"{name}_{counter:05}_{suffix}")).exists():
        counter += 1
    return path


def output_place(filename_prefix: str, suffix: str) -> Path:
    """Where a file of that prefix would go, for checks before anything runs: no folder is made, "#####" is its number.

    In a folder that is not there yet: the nearest one above it. Raises InputError outside of the output folder.
    """
    output = Path(folder_paths.get_output_directory())
    path = inside(output, filename_prefix, "filename_prefix", "ComfyUI's output folder")
    folder = path if path == output.resolve() else path.parent
    try:
        while not folder.exists():
            folder = folder.parent
    except OSError as error:
        raise InputError(
            f"filename_prefix is '{filename_prefix[:40]}...', which names no folder ({error.strerror}); choose a "
            "shorter one."
        ) from error
    return folder / f"{Path(filename_prefix).name}_#####_{suffix}"


def output_subfolder(path: Path) -> str:
    """Where a file of the output folder lies below it, as the page's previews want it."""
    return path.parent.relative_to(folder_paths.get_output_directory()).as_posix().removeprefix(".")
