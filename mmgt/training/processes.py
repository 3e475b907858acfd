"""Which parameters each process of stage II trains (paper section IV-A); all others are frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..mmhaa.attention import SpatialBlock
from ..mmhaa.network import MMHAA, authors_state


@dataclass(frozen=True)
class Process:
    """name: of the command. trains: of a parameter's name in the authors' keys, whether it learns."""

    name: str
    trains: Callable[[str], bool]


def _trains_image(name: str) -> bool:
    return not (name.startswith("reference_unet.") and "up_blocks.3" in name)


def _trains_video(name: str) -> bool:
    return name.startswith("audioproj.") or (
        name.startswith("denoising_unet.") and ("audio_modules" in name or "motion_modules" in name)
    )


def _trains_attention(name: str) -> bool:
    places = (".attentions.", ".motion_modules.", ".audio_modules.")
    return name.startswith("denoising_unet.") and any(place in name for place in places)


IMAGE = Process("image", _trains_image)  # process 1: both UNets but the reference's last level, and the pose guider
VIDEO = Process("video", _trains_video)  # process 2: the audio and motion modules, and the audio projection
EVERYTHING = Process("everything", lambda _name: True)  # small networks that begin from nothing
ATTENTION = Process("attention", _trains_attention)  # of a student: how frames look at each other, photo and speech
LORA = Process("lora", lambda _name: False)  # of a student: only what is added to it
PROCESSES = {process.name: process for process in (IMAGE, VIDEO, EVERYTHING, ATTENTION, LORA)}


def trainable(networks: MMHAA, process: Process) -> list[str]:
    """Let a process' parameters learn and freeze the others; returns the names that learn, in the authors' keys."""
    parameters = authors_state(
        dict(networks.reference_unet.named_parameters()), dict(networks.video_network.named_parameters())
    )
    for name, parameter in parameters.items():
        parameter.requires_grad_(process.trains(name))
    return [name for name in parameters if process.trains(name)]


def zero_unused(networks: MMHAA) -> None:
    """Give zero gradients to what CLIP's single token makes idle, so that the optimiser's decay acts as the authors'.

    With one key, queries and keys of the cross-attention and the norm before them change nothing; the inference network
    leaves them out, theirs computes zeros. A reference UNet that did not run in this step has no gradients at all.
    """
    for network in (networks.reference_unet, networks.video_network):
        if all(parameter.grad is None for parameter in network.parameters()):
            continue
        for module in network.modules():
            if isinstance(module, SpatialBlock):
                idle = (module.norm2.weight, module.norm2.bias, module.attn2.to_q.weight, module.attn2.to_k.weight)
                for parameter in idle:
                    if parameter.is_leaf and parameter.requires_grad and parameter.grad is None:
                        parameter.grad = torch.zeros_like(parameter)
