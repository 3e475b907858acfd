"""Preview Motion's frames, mended by a network that learned it (``mmgt train refine``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import ops as own_ops
from ..colours import as_colours, as_pictures
from ..errors import InputError
from ..poses import PoseSequence
from ..poses.edge_maps import edge_maps
from ..weights import catalog, signatures
from ..weights.catalog import advice
from ..weights.files import open_checkpoint
from ..weights.signatures import recognise
from ..weights.strict import load_strictly
from .refinement_network import NUM_SIZES, STEP_PX, Refinement, RefinementConfig

SIGMA, MAX_SIGMA = 0.012, 0.2  # thickness of bones in shares of the short side


def load_refinement(path: Path, ops: Any = own_ops, dtype: torch.dtype | None = torch.float32) -> Refinement:
    """What `mmgt train refine` wrote, on the CPU. dtype: None keeps what the tensors have.

    Raises InputError for another file.
    """
    wanted = advice(catalog.REFINEMENT)
    checkpoint = open_checkpoint(path, wanted)
    found = recognise(checkpoint.tensors)
    if found != signatures.REFINEMENT:
        raise InputError(f"{path} is {found}, not {signatures.REFINEMENT}; {wanted}.")
    try:
        config = RefinementConfig(**json.loads(checkpoint.metadata["config"]))
    except (KeyError, ValueError, TypeError, InputError) as error:
        raise InputError(f"the metadata of {path} does not say the network's sizes ({error}); {wanted}.") from error
    network = Refinement(config, ops=ops, device="meta")
    load_strictly(network, checkpoint.tensors, str(path), dtype)
    return network.eval().requires_grad_(False)


def edge_pyramid(poses: PoseSequence, height_px: int, width_px: int) -> list[Tensor]:
    """Edge heat maps [T, h, w] float32 in 0..1 at a size, a half, a quarter and an eighth of it; sides multiples of 8.

    A bone is at least a pixel thick, so that it does not vanish between the pixels of a small map.
    """
    sizes = [(height_px >> level, width_px >> level) for level in range(NUM_SIZES)]
    return [edge_maps(poses, *size, sigma=min(max(SIGMA, 1 / min(size)), MAX_SIGMA)) for size in sizes]


def working_size(height_px: int, width_px: int, side_px: int) -> tuple[int, int]:
    """Height and width at which a picture is mended: its own, a short side of ``side_px`` at most, multiples of 8."""
    zoom = min(1.0, side_px / min(height_px, width_px))
    height, width = (STEP_PX * max(1, round(zoom * side / STEP_PX)) for side in (height_px, width_px))
    return height, width


@dataclass(frozen=True)
class Refiner:
    """Mends the preview of one photo in some poses, frame by frame.

    photo: [1, 3, h, w] in -1..1 at the working size. poses: of the frames, visible where the initial pose is.
    """

    network: Refinement
    photo: Tensor
    poses: PoseSequence

    @classmethod
    def of(
        cls,
        network: Refinement,
        photo: np.ndarray,
        initial_pose: PoseSequence,
        poses: PoseSequence,
        device: torch.device = torch.device("cpu"),
    ) -> Refiner:
        """photo [H, W, 3] uint8, its pose (frame 0 counts), the poses of the frames. device: where the network is."""
        size = working_size(photo.shape[0], photo.shape[1], network.config.side_px)
        small = _resized(as_colours(photo[None]), size).to(device)
        score = initial_pose.score[:1].expand(poses.num_frames, -1)
        return cls(network, small, replace(poses, score=score))

    @torch.no_grad()
    def __call__(self, frame: np.ndarray, t: int) -> np.ndarray:
        """The frame [H, W, 3] uint8 of pose ``t``, mended: the same array where nothing is to be added."""
        height, width = self.photo.shape[2:]
        colours = as_colours(frame[None])
        edges = edge_pyramid(self.poses.frames(t, t + 1), height, width)
        small = _resized(colours, (height, width)).to(self.photo)
        added = self.network(small, self.photo, [edge_map[:, None].to(self.photo) for edge_map in edges]).cpu()
        if not added.any():
            return frame
        if added.shape != colours.shape:
            added = F.interpolate(added, colours.shape[2:], mode="bilinear", align_corners=False)
        return np.ascontiguousarray(as_pictures(colours + added)[0].numpy())


def _resized(colours: Tensor, size: Sequence[int]) -> Tensor:
    return colours if tuple(colours.shape[2:]) == tuple(size) else F.interpolate(colours, tuple(size), mode="area")
