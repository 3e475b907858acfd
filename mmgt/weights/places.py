"""Where the networks' files are looked for: one order of folders for the nodes and for all commands.

A file lies in the folder of its kind in a models folder (``vae``, ``audio_encoders``, ...) or in ``mmgt`` beside it.
Last come the small networks that are shipped with this pack.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path

from ..assets import MODELS
from ..errors import InputError
from .catalog import BY_KEY, CATALOG, MMHAA, OUR_FOLDER, SMGA, VAE, WeightFile, advice
from .files import open_checkpoint
from .signatures import recognise


def places(file: WeightFile, folder_paths: Callable[[str], Iterable[str | Path]]) -> list[Path]:
    """Folders that may hold a file, the first to look into first.

    folder_paths: name of a folder of the models folder -> where it is; ComfyUI's ``get_folder_paths``, or
    ``in_models``.
    """
    return [Path(path) for name in file.folders for path in folder_paths(name)]


def in_models(models: Path | None) -> Callable[[str], list[Path]]:
    """The folders of a models folder, as ``places`` wants them.

    models: ComfyUI's models folder, or any that has the files in it or below it; None: ``models_folders``.
    """
    if models is None:
        return lambda name: [folder / name for folder in models_folders()]
    return lambda name: [models / name, *([models] if name == OUR_FOLDER else [])]


def find(file: WeightFile, places: Sequence[Path]) -> Path | None:
    """Where a file is, under one of its names and at any depth; a converted one comes first, then the first place."""
    names = sorted((file.name, *file.other_names), key=lambda name: not name.endswith(".safetensors"))
    candidates = (path for name in names for place in places for path in sorted(place.rglob(name)))
    return next((path for path in candidates if path.is_file()), None)


def shipped(file: WeightFile) -> Path | None:
    """Where the small network lies that comes with this pack in a file's place; None if none does."""
    path = MODELS / file.folder / file.shipped
    return path if file.shipped and path.is_file() else None


def is_shipped(path: Path) -> bool:
    return path.is_relative_to(MODELS)


def find_all(models: Path | None) -> dict[str, Path]:
    """All files of the catalogue that are there, by their keys. models: see ``in_models``. Raises InputError.

    Where no folder is named, or that of the shipped ones, these stand in for SMGA, and for the video network together
    with its VAE: each of those two is of no use with another.
    """
    if models is not None and not models.is_dir():
        raise InputError(
            f"there is no folder {models} of weights; give the one that holds {MMHAA.name} and the others "
            "(docs/weights.md)."
        )
    found = {file.key: find(file, places(file, in_models(models))) for file in CATALOG}
    there = {key: path for key, path in found.items() if path is not None}
    if models in (None, MODELS):
        for files in ((SMGA,), (MMHAA, VAE)):
            small = {file.key: path for file in files if (path := shipped(file)) is not None}
            if files[0].key not in there and len(small) == len(files):
                there |= small
    return there


def check_found(models: Path | None, found: Container[str], needed: Iterable[str], instead: str = "") -> None:
    """Raise InputError that names all files that are needed and were not found. instead: how to do without them."""
    missing = [f"{BY_KEY[key].name} ({BY_KEY[key].page})" for key in needed if key not in found]
    if missing:
        folders = [models] if models is not None else models_folders()
        raise InputError(
            f"{' and '.join(map(str, folders))} lack{'s' if len(folders) == 1 else ''} {', '.join(missing)}; put them "
            f"there under these names, or name their folder with --models (docs/weights.md){instead}."
        )


def check_kinds(found: Mapping[str, Path], needed: Iterable[str]) -> None:
    """Open the files that will be needed and recognise them, before any network runs.

    found: as of ``find_all``. Raises InputError for the first that cannot be read, or is another network.
    """
    for key in needed:
        file, path = BY_KEY[key], found[key]
        kind = recognise(open_checkpoint(path, advice(file)).tensors)
        if kind not in file.kinds:
            raise InputError(f"{path} is {kind}, not {' or '.join(file.kinds)} ({file.purpose}); {advice(file)}.")


def models_folders() -> list[Path]:
    """Models folders, the likeliest first: of $COMFYUI_PATH, of the ComfyUI that this pack lies in, of ~/ComfyUI; then
    ./models."""
    named = os.environ.get("COMFYUI_PATH")
    comfyui = Path(named) if named else _surrounding_comfyui() or _home() / "ComfyUI"
    return [*([comfyui / "models"] if comfyui.is_dir() else []), Path("models")]


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
