"""The networks of others that some numbers are measured through, and the files that a user places for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import nn

from ..weights.catalog import EVALUATION_FOLDER
from . import i3d, inception, lpips, pose_autoencoder, syncnet
from .i3d import I3D
from .inception import Inception
from .lpips import LPIPS
from .pose_autoencoder import PoseAutoencoder
from .syncnet import SyncNet


@dataclass(frozen=True)
class NetworkFiles:
    """names: of the files in ``mmgt_eval`` of the models folder. numbers: what they are needed for. needs: what has to
    be given for these, besides. advice: what the files are."""

    names: tuple[str, ...]
    numbers: str
    needs: tuple[str, ...]
    advice: str
    load: Callable[..., nn.Module]

    def missing_note(self) -> str:
        return f"No {' and '.join(self.names)} in models/{EVALUATION_FOLDER}: no {self.numbers}; {self.advice}."


_FRAMES, _GESTURES, _LIPS = ("reference",), ("poses", "reference_poses"), ("poses", "sound")
NETWORK_FILES = {  # by the names of ``Networks``' fields
    "pose_autoencoder": NetworkFiles(
        (pose_autoencoder.FILE,), "FGD", _GESTURES, pose_autoencoder.ADVICE, pose_autoencoder.load_pose_autoencoder
    ),
    "lpips": NetworkFiles((lpips.BACKBONE, lpips.HEADS), "LPIPS", _FRAMES, lpips.ADVICE, lpips.load_lpips),
    "inception": NetworkFiles((inception.BACKBONE,), "FID", _FRAMES, inception.ADVICE, inception.load_inception),
    "i3d": NetworkFiles((i3d.BACKBONE,), "FVD and KVD", _FRAMES, i3d.ADVICE, i3d.load_i3d),
    "syncnet": NetworkFiles((syncnet.BACKBONE,), "LSE-D and LSE-C", _LIPS, syncnet.ADVICE, syncnet.load_syncnet),
}


@dataclass(frozen=True)
class Networks:
    """Those whose files are there, all on one device."""

    pose_autoencoder: PoseAutoencoder | None = None
    lpips: LPIPS | None = None
    inception: Inception | None = None
    i3d: I3D | None = None
    syncnet: SyncNet | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def modules(self) -> nn.ModuleList:
        """Together, to be moved together."""
        found = (getattr(self, each.name) for each in fields(self))
        return nn.ModuleList(module for module in found if isinstance(module, nn.Module))


NO_NETWORKS = Networks()


def network_files(folders: Iterable[Path]) -> dict[str, Path]:
    """File name -> path, of those that are in one of the folders, the first that has it."""
    named = [name for files in NETWORK_FILES.values() for name in files.names]
    found: dict[str, Path] = {}
    for folder in folders:
        found |= {name: folder / name for name in named if name not in found and (folder / name).is_file()}
    return found


def load_networks(found: Mapping[str, Path], device: torch.device = NO_NETWORKS.device) -> Networks:
    """found: as of ``network_files``. A network that needs two files is loaded where both are there.

    Raises InputError for a file that is something else.
    """
    loaded = {
        name: files.load(*(found[each] for each in files.names)).to(device)
        for name, files in NETWORK_FILES.items()
        if all(each in found for each in files.names)
    }
    return Networks(**loaded, device=device)  # type: ignore[arg-type]


def computes_all(device: torch.device) -> bool:
    """Whether these networks run there: Apple's GPU lacks pooling over time in many versions of torch."""
    return device.type != "mps"


def missing_notes(networks: Networks, given: Mapping[str, bool]) -> list[str]:
    """A sentence for each network that is missing and that something would be measured through.

    given: whether there are a "reference", "poses", "reference_poses" and "sound".
    """
    return [
        files.missing_note()
        for name, files in NETWORK_FILES.items()
        if getattr(networks, name) is None and all(given[each] for each in files.needs)
    ]
