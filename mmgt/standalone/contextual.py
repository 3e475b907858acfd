"""Contextual Gesture outside of ComfyUI: its file, the encoder that it reads, and its poses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from ..contextual_gesture.load import load_contextual_gesture
from ..contextual_gesture.model import ContextualGesture
from ..contextual_gesture.sample import sample_gestures
from ..errors import InputError
from ..poses import PoseSequence
from ..speech.features import NUM_HANDCRAFTED, SpeechFeatures
from ..weights.catalog import WAVLM, missing_sentence
from ..weights.places import check_kinds, find, in_models, is_shipped, places
from .devices import choose_dtype, quickest_dtype
from .onednn import fastest_ops
from .speech_to_poses import PoseSettings

logger = logging.getLogger("mmgt")


def open_contextual_gesture(
    path: Path, settings: PoseSettings, models: Path | None, device: torch.device, wavlm: Path | None = None
) -> tuple[ContextualGesture, dict[str, Path]]:
    """The network of a file, and the file of WavLM ("wavlm") where it reads that: ``wavlm``, or the models folder's.

    Raises InputError for another file, a speaker that it never learned, WavLM that is missing or that it does not read.
    """
    network = load_contextual_gesture(path, fastest_ops(device))
    if is_shipped(path):
        logger.warning("%s: a small network that comes with this pack; it learned from drawn presenters", path.name)
    network.style(settings.speaker)
    if network.config.generator.audio_channels <= NUM_HANDCRAFTED:
        if wavlm is not None:
            raise InputError(f"{path} was trained without WavLM; leave --wavlm out.")
        return network, {}
    folders = places(WAVLM, in_models(models))
    wavlm = wavlm or find(WAVLM, folders)
    if wavlm is None:
        raise InputError(f"{path} reads WavLM: {missing_sentence(WAVLM, folders)}")
    check_kinds({WAVLM.key: wavlm}, [WAVLM.key])
    return network, {WAVLM.key: wavlm}


def transformers_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on a CPU that multiplies it by itself, as good (docs/training.md), else float32."""
    return choose_dtype(quickest_dtype(device), device) if device.type == "cpu" else torch.float32


def sample_contextual_gesture(
    network: ContextualGesture,
    speech: SpeechFeatures,
    initial_pose: PoseSequence,
    settings: PoseSettings,
    *,
    seed: int,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> PoseSequence:
    """The network's poses of the speech. Its transformers go into the dtype that is quickest here."""
    dtype = transformers_dtype(device)
    network.to(device).generator.to(dtype)
    return sample_gestures(
        network,
        speech.gesture.to(dtype),
        initial_pose,
        seed=seed,
        speaking=speech.speaking if settings.close_lips else None,
        settings=settings.gestures,
        style=network.style(settings.speaker),
        progress=progress,
        device=device,
    )
