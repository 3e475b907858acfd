"""A training set on disk: one .safetensors for each clip, beside an index; read by memory mapping.

A clip holds ``keypoints`` [T, 134, 2] float32 (fractions of the picture), ``score`` [T, 134] float32 and
``gesture_features`` [T, D] float32 (35 hand-crafted, or 1024 of WavLM before them), and with wav2vec2
``video_features`` [T, 12, 768] float16, all at 25 fps; its metadata says ``height_px``, ``width_px``, ``speaker`` and
``source``, and of a filmed clip ``film``: the square film beside it. ``index.json`` lists the clips: file, frames,
speaker, split.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import InputError
from ..output_files import write_text_atomically
from ..poses import POSE_FPS, PoseSequence

INDEX, FORMAT = "index.json", "mmgt-clips-1"


@dataclass(frozen=True)
class ClipEntry:
    """A clip as the index lists it; split is "train" or "test"."""

    file: str
    num_frames: int
    num_features: int
    speaker: str
    split: str


def write_atomically(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A .safetensors that is either whole under its name or not there at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.touch()
        mode = unfinished.stat().st_mode
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, dict(metadata))
        unfinished.chmod(mode)  # newer safetensors let only the owner read
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_network(path: Path, network: nn.Module, step: int, data: str, config: Any = None) -> None:
    """A network that learned: its tensors, the step, the digest of its set, and what ``config`` (a dataclass) holds."""
    tensors = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    told = {} if config is None else {"config": json.dumps(asdict(config))}
    write_atomically(path, tensors, {"format": "pt", **told, "step": str(step), "data": data})


class ClipSet:
    """The clips of a folder. Raises InputError if there is no index, or one of another format."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if index["format"] != FORMAT:
                raise InputError(
                    f"{folder} is a training set of format {index['format']!r}; this version reads {FORMAT}."
                )
            self.entries = [ClipEntry(**entry) for entry in index["clips"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder} is no training set ({error}); make one with `mmgt data synth 100 --out {folder}`."
            ) from error

    @classmethod
    def write_index(cls, folder: Path, entries: Sequence[ClipEntry]) -> ClipSet:
        clips = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.file)]
        write_text_atomically(folder / INDEX, json.dumps({"format": FORMAT, "clips": clips}, indent=1))
        return cls(folder)

    def of_split(self, split: str) -> list[ClipEntry]:
        return [entry for entry in self.entries if entry.split == split]

    def drawn_split(self, split: str) -> list[ClipEntry]:
        """``of_split`` of a drawn set. Raises InputError where there is none."""
        entries = self.of_split(split)
        if not entries:
            raise InputError(f"{self.folder} has no {split} clip; draw 10 clips or more.")
        return entries

    def digest(self) -> str:
        """sha256 of the index: which clips there are."""
        return hashlib.sha256((self.folder / INDEX).read_bytes()).hexdigest()

    def poses(self, entry: ClipEntry, frames: slice = slice(None)) -> PoseSequence:
        with safe_open(self.folder / entry.file, framework="pt") as file:
            size = file.metadata()
            return PoseSequence(
                file.get_slice("keypoints")[frames],
                file.get_slice("score")[frames],
                POSE_FPS,
                int(size["height_px"]),
                int(size["width_px"]),
            )

    def features(self, entry: ClipEntry, frames: slice = slice(None)) -> Tensor:
        """[T, D] float32."""
        with safe_open(self.folder / entry.file, framework="pt") as file:
            return file.get_slice("gesture_features")[frames]

    def video_features(self, entry: ClipEntry, frames: slice = slice(None)) -> Tensor:
        """[T, layers, D] float32 of wav2vec2. Raises InputError where the set was made without it."""
        with safe_open(self.folder / entry.file, framework="pt") as file:
            if "video_features" not in file.keys():
                raise InputError(
                    f"{self.folder / entry.file} holds no wav2vec2 features; prepare the set with a wav2vec2 file, or "
                    "train on the hand-crafted features."
                )
            return file.get_slice("video_features")[frames].float()

    def metadata(self, entry: ClipEntry) -> dict[str, str]:
        with safe_open(self.folder / entry.file, framework="pt") as file:
            return dict(file.metadata())

    def windows(self, split: str, length: int, stride: int) -> Iterator[tuple[ClipEntry, int]]:
        """Clip and first frame of every window."""
        for entry in self.of_split(split):
            for start in range(0, entry.num_frames - length + 1, stride):
                yield entry, start


def write_clip(
    path: Path,
    poses: PoseSequence,
    features: Tensor,
    metadata: Mapping[str, str],
    video_features: Tensor | None = None,
) -> None:
    """Write a clip; poses and features of one length, at 25 fps. video_features: [T, layers, D], kept as float16."""
    if poses.fps != POSE_FPS or poses.num_frames != len(features):
        raise InputError(
            f"a clip needs poses at {POSE_FPS} fps and as many features, but has {poses.num_frames} frames at "
            f"{poses.fps:g} fps and {len(features)} features; resample the poses."
        )
    tensors = {"keypoints": poses.keypoints, "score": poses.score, "gesture_features": features.to(torch.float32)}
    if video_features is not None:
        tensors["video_features"] = video_features.to(torch.float16)
    write_atomically(
        path,
        tensors,
        {**metadata, "height_px": str(poses.height_px), "width_px": str(poses.width_px), "format": FORMAT},
    )
