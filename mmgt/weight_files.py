"""Weight files by their published names: which file of a folder is which network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError
from .weights import Checkpoint

# How Hugging Face names the weights in a model's folder, best first.
FOLDER_FILES = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
)


@dataclass(frozen=True)
class Weights:
    """One network's weights: the name of its file, where it is published, and patterns of other names that it has."""

    name: str
    published: str
    others: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names to look for, a converted file first."""
        stem = Path(self.name).stem
        return f"{stem}*.safetensors", f"{stem}*", *self.others


WEIGHTS = {
    "smga": Weights("audio2pose_best_model.pt", "the authors' stage_1"),
    "mmhaa": Weights("net-32500.pth", "the authors' modules"),
    "vae": Weights("sd-vae-ft-mse.safetensors", "stabilityai/sd-vae-ft-mse", ("vae-ft-mse-840000*",)),
    "clip": Weights(
        "sd-image-variations-image-encoder.bin", "lambdalabs/sd-image-variations-diffusers", ("image_encoder*",)
    ),
    "wav2vec2": Weights("wav2vec2-base-960h.safetensors", "facebook/wav2vec2-base-960h"),
    "wavlm": Weights("wavlm-large.bin", "microsoft/wavlm-large", ("WavLM-Large*",)),
}
CHECKPOINT_SUFFIXES = (".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt")


def find_weights(folder: Path) -> dict[str, Path]:
    """The weights that lie in a folder or below it, by the names of ``WEIGHTS``. Raises InputError for no folder."""
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder} of weights; give the one that holds {WEIGHTS['mmhaa'].name} and the others."
        )
    found = {name: _first(folder, weights.patterns) for name, weights in WEIGHTS.items()}
    return {name: path for name, path in found.items() if path is not None}


def _first(folder: Path, patterns: Iterable[str]) -> Path | None:
    for pattern in patterns:
        for path in sorted(folder.rglob(pattern)):
            file = weights_file(path) if path.is_dir() else path
            if file.is_file() and file.suffix in CHECKPOINT_SUFFIXES:
                return file
    return None


def check_weights(folder: Path, found: Iterable[str], needed: Iterable[str], instead: str = "") -> None:
    """Raise InputError that names everything that is needed and was not found. instead: how to do without it."""
    missing = [f"{WEIGHTS[name].name} ({WEIGHTS[name].published})" for name in needed if name not in set(found)]
    if missing:
        raise InputError(
            f"{folder} lacks {', '.join(missing)}; put them there under these names (docs/weights.md){instead}."
        )


def weights_file(path: Path) -> Path:
    """The file itself, or the weights in a model's folder as Hugging Face lays it out."""
    if not path.is_dir():
        return path
    return next((path / name for name in FOLDER_FILES if (path / name).is_file()), path / FOLDER_FILES[0])


def published_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """What tensors cannot show: ``config`` (JSON) in the file's metadata, else config.json of the model's folder."""
    if "config" in checkpoint.metadata:
        return json.loads(checkpoint.metadata["config"])
    beside = checkpoint.path.with_name("config.json")
    if checkpoint.path.name in FOLDER_FILES and beside.is_file():
        return json.loads(beside.read_text(encoding="utf-8"))
    return {}
