"""How a node's output was made, read off the graph that runs: numbers, choices, checksums; never a name or a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io

from ...mmgt.provenance import (
    COMPOSITE_WITH_TRAINED,
    Provenance,
    networks_of,
)
from ...mmgt.provenance.record import sources_of
from ...mmgt.weights.files import CHECKPOINT_SUFFIXES
from .runtime import check_interrupt

HIDDEN = [io.Hidden.prompt, io.Hidden.unique_id]  # what a node's schema asks for, so that its class can be given here
TRAINED_NODES = {"MMGT_LoadSMGAModel", "MMGT_LoadMMHAAModel"}
RULES_NODE = "MMGT_RhythmAudio2Pose"
SEEDS = ("seed", "noise_seed")
# Texts that are choices of ours and of core's samplers; all others could be somebody's words or files.
CHOICES = (
    "sampler_name",
    "scheduler",
    "preset",
    "solver",
    "spacing",
    "codec",
    "third_mask",
    "hands_branch",
    "masks",
    "style",
)


def how_video_was_made(node: type[io.ComfyNode], content: str, is_decoded: bool = True) -> Provenance:
    """Of pictures. content: their digest. is_decoded: a trained network made or mended them, no mere warp."""
    before = _nodes_before(node)
    is_trained = is_decoded or bool(TRAINED_NODES & {given["class_type"] for given in before.values()})
    return _provenance(sources_of(is_trained)[1], before, content)


def how_poses_were_made(node: type[io.ComfyNode], content: str) -> Provenance:
    """Of poses: by SMGA, by rules, else from what somebody filmed or loaded."""
    before = _nodes_before(node)
    kinds = {given["class_type"] for given in before.values()}
    by_us = sources_of(bool(TRAINED_NODES & kinds))[0]
    return _provenance(by_us if {RULES_NODE, *TRAINED_NODES} & kinds else COMPOSITE_WITH_TRAINED, before, content)


def how_marked(node: type[io.ComfyNode], source: str, content: str) -> Provenance:
    """Of anything that goes into a node, with a source type that the user chose."""
    return _provenance(source, _nodes_before(node), content)


def _provenance(source: str, before: Mapping[str, Any], content: str) -> Provenance:
    files = dict(_networks(before))
    settings = {f"{given['class_type']} {key}: {name}": value for key, given, name, value in _settings(before)}
    seeds = [value for _, _, name, value in _settings(before) if name in SEEDS]
    networks = networks_of(files, lambda *_: check_interrupt())
    return Provenance(source, networks, seeds[0] if seeds else None, settings, (content,))


def _nodes_before(node: type[io.ComfyNode]) -> dict[str, dict[str, Any]]:
    """The node itself and all that it hangs on, the nearest first; {} where the graph is not known."""
    prompt = getattr(node.hidden, "prompt", None) or {}
    waiting, found = [str(getattr(node.hidden, "unique_id", None))], {}
    while waiting:
        key = waiting.pop(0)
        if key in prompt and key not in found:
            found[key] = prompt[key]
            waiting += [
                str(value[0])
                for value in prompt[key].get("inputs", {}).values()
                if isinstance(value, list) and len(value) == 2
            ]
    return found


def _settings(before: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str, Any]]:
    for key, given in before.items():
        for name, value in given.get("inputs", {}).items():
            if isinstance(value, (bool, int, float)) or (name in CHOICES and isinstance(value, str)):
                yield key, given, name, value


def _networks(before: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """(the input's name, file) of what the nodes load from ComfyUI's models folders."""
    folders = [folder for folder in folder_paths.folder_names_and_paths if folder not in ("custom_nodes", "configs")]
    for key, given in before.items():
        for name, value in given.get("inputs", {}).items():
            if isinstance(value, str) and value.lower().endswith((*CHECKPOINT_SUFFIXES, ".onnx")):
                paths = (folder_paths.get_full_path(folder, value) for folder in folders)
                path = next((path for path in paths if path is not None), None)
                if path is not None:
                    yield f"{given['class_type']} {key}: {name}", Path(path)
