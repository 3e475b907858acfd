"""Checkpoint -> stage II's networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from .. import ops as own_ops
from ..diffusion import PUBLISHED, Parametrisation
from ..errors import InputError
from ..weights import catalog, signatures
from ..weights.catalog import advice
from ..weights.files import open_checkpoint
from ..weights.signatures import PREFIXES, recognise, unwrapped
from ..weights.strict import check_heads, load_strictly, read_config
from .blocks import NUM_GROUPS
from .network import MMHAA, build_networks, network_states
from .pictures import MAX_PX, MIN_PX, TRAINED_PX
from .student import Student, read_student


def build_mmhaa(
    tensors: Mapping[str, Tensor],
    num_heads: int = 8,
    motion_heads: int = 8,
    source: str = "the state dict",
    ops: Any = own_ops,
    dtype: torch.dtype | None = torch.float32,
    num_groups: int = NUM_GROUPS,
) -> MMHAA:
    """Stage II's networks from a state dict in the authors' keys. Raises InputError if it is another model.

    dtype: of the network; None keeps what the tensors have, for layers that cast.
    """
    tensors = unwrapped(tensors)
    if recognise(tensors) == signatures.IMAGE_NETWORKS:
        raise InputError(
            f"{source} is {signatures.IMAGE_NETWORKS}; it makes no video before process 2 has learned from it: "
            "`mmgt train video --from-networks FILE`."
        )
    if recognise(tensors) != signatures.MMHAA:
        raise InputError(
            f"{source} is {recognise(tensors)}, not the MMGT video network, which holds {', '.join(PREFIXES)} in one "
            f"file; {advice(catalog.MMHAA)}."
        )
    try:
        networks = build_networks(tensors, num_heads, motion_heads, num_groups, ops)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{source} is no complete MMGT video network (its sizes cannot be read: {error}); {advice(catalog.MMHAA)}."
        ) from error
    numbers = {"num_heads": num_heads, "motion_heads": motion_heads, "num_groups": num_groups}
    check_heads(networks.video_network.config.widths, numbers, source)
    for module, state in zip((networks.reference_unet, networks.video_network), network_states(tensors), strict=True):
        load_strictly(module, state, source, dtype)
        module.eval().requires_grad_(False)
    return networks


def load_mmhaa(path: Path, ops: Any = own_ops, dtype: torch.dtype | None = torch.float32) -> MMHAA:
    """Stage II's networks from the authors' ``net-32500.pth`` or a .safetensors with the same keys (on the CPU).

    What cannot be read from tensors is as published, unless the metadata's ``config`` (JSON) says otherwise: numbers of
    heads (``num_heads``, ``motion_heads``: 8) and groups (``num_groups``: 32), what is predicted (``prediction``: v)
    and at which noise levels (``schedule``: linear), on pictures of what side it was trained (``side_px``: 512), and
    whether it is a student (``student_steps``, ``shared_noise``: none).
    dtype: see ``build_mmhaa``.
    """
    checkpoint = open_checkpoint(path, advice(catalog.MMHAA))
    config = read_config(checkpoint)
    networks = build_mmhaa(checkpoint.tensors, **numbers_of(config), source=str(path), ops=ops, dtype=dtype)
    trained_px = config.get("side_px", TRAINED_PX)
    if not isinstance(trained_px, int) or not MIN_PX <= trained_px <= MAX_PX:
        raise InputError(f"the config in {path}'s metadata says side_px {trained_px}; it must be {MIN_PX} to {MAX_PX}.")
    learned, student = read_parametrisation(config, str(path)), read_student(config, str(path))
    return replace(networks, parametrisation=learned, trained_px=trained_px, student=student)


def student_of_file(path: Path) -> Student | None:
    """How a checkpoint says that it is sampled, if it is a student; no network is built. Raises InputError."""
    return read_student(read_config(open_checkpoint(path, advice(catalog.MMHAA))), str(path))


def read_parametrisation(config: Mapping[str, Any], source: str) -> Parametrisation:
    """What a checkpoint's config says of it; the published network's where it says nothing. Raises InputError."""
    try:
        return Parametrisation(**{name: config[name] for name in vars(PUBLISHED) if name in config})
    except InputError as error:
        raise InputError(f"in the config of {source}'s metadata {error}") from error


class Numbers(TypedDict):
    """What no tensor shows."""

    num_heads: int
    motion_heads: int
    num_groups: int


def numbers_of(config: Mapping[str, Any]) -> Numbers:
    """``build_mmhaa``'s numbers out of a config that ``read_config`` has read."""
    return Numbers(num_heads=config["num_heads"], motion_heads=config["motion_heads"], num_groups=config["num_groups"])
