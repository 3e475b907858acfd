"""Weight files by their published names: which file of a folder is which network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError
from .weights import MMHAA_FILE, SMGA_FILE, Checkpoint

# How Hugging Face names the weights in a model's folder, best first.
FOLDER_FILES = (
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
)


@dataclass(frozen=True)
class Weights:
    """One network's weights. patterns: names of its file or folder, best first. published: what to get, and where."""

    patterns: tuple[str, ...]
    published: str


WEIGHTS = {
    "smga": Weights(
        ("audio2pose_best_model*.safetensors", "audio2pose_best_model*"), f"the authors' stage_1/{SMGA_FILE}"
    ),
    "mmhaa": Weights(("net-32500*.safetensors", "net-32500*"), f"the authors' {MMHAA_FILE}"),
    "vae": Weights(("sd-vae-ft-mse*", "vae-ft-mse-840000*"), "the VAE of stabilityai/sd-vae-ft-mse"),
    "clip": Weights(
        ("sd-image-variations-image-encoder*", "image_encoder*"),
        "image_encoder of lambdalabs/sd-image-variations-diffusers",
    ),
    "wav2vec2": Weights(("wav2vec2-base-960h*",), "facebook/wav2vec2-base-960h"),
    "wavlm": Weights(("wavlm-large*", "WavLM-Large*"), "microsoft/wavlm-large"),
}
CHECKPOINT_SUFFIXES = (".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt")


def find_weights(folder: Path) -> dict[str, Path]:
    """The weights that lie in a folder or below it, by the names of ``WEIGHTS``. Raises InputError for no folder."""
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder} of weights; give the folder that holds {MMHAA_FILE} and the others."
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


def missing_weights(found: Iterable[str], needed: Iterable[str]) -> str:
    """What is needed and was not found, in words; empty if nothing is missing."""
    have = set(found)
    wanted = (WEIGHTS[name] for name in needed if name not in have)
    return "; ".join(f"{weights.published} (as {weights.patterns[-1]})" for weights in wanted)


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
