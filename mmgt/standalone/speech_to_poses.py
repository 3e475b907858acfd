"""Speech and a still -> poses outside of ComfyUI: by SMGA with the encoders that it reads, or by rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..contextual_gesture.sample import GestureSettings
from ..errors import InputError
from ..poses import PoseSequence
from ..smga.candidates import Score, check_number, sample_candidates
from ..smga.model import SMGA
from ..smga.sample import SamplerSettings
from ..speech.encode import encode_speech
from ..speech.features import NUM_HANDCRAFTED, SpeechFeatures
from ..speech.recording import Recording
from .networks import LET_GO, Networks


@dataclass(frozen=True)
class PoseSettings:
    """How poses are made of speech.

    by_rules: by Rhythm Audio2Pose, which needs no weights, instead of SMGA. Of SMGA only: sampler; num_candidates:
    seeds that are tried, 1..16, of which the best is taken; close_lips: lips close where the speech is silent.
    Of Contextual Gesture: gestures, speaker (whose style, "" the mean of all) and close_lips.
    """

    by_rules: bool = False
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    num_candidates: int = 1
    close_lips: bool = True
    gestures: GestureSettings = field(default_factory=GestureSettings)
    speaker: str = ""

    def __post_init__(self) -> None:
        check_number(self.num_candidates)
        if self.by_rules and self.num_candidates > 1:
            raise InputError(
                f"{self.num_candidates} candidates are seeds of SMGA, but Rhythm makes the poses; use SMGA, or take 1."
            )


def encode_speech_with(
    files: Mapping[str, Path],
    recording: Recording,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
    vocals: Recording | None = None,
    networks: Networks = LET_GO,
) -> SpeechFeatures:
    """Encode speech with the encoders whose files are given (``wavlm``, ``wav2vec2``); ``vocals`` instead of it."""
    from ..speech.encoders import load_wav2vec2, load_wavlm

    wavlm = networks(load_wavlm, files["wavlm"]).to(device) if "wavlm" in files else None
    wav2vec2 = networks(load_wav2vec2, files["wav2vec2"]).to(device) if "wav2vec2" in files else None
    return encode_speech(recording, progress, wavlm=wavlm, wav2vec2=wav2vec2, vocals=vocals)


def reads_wavlm(smga: SMGA) -> bool:
    """Whether an SMGA reads more than the hand-crafted features."""
    return smga.config.audio_channels > NUM_HANDCRAFTED


def sample_smga(
    smga: SMGA,
    speech: SpeechFeatures,
    initial_pose: PoseSequence,
    settings: PoseSettings,
    *,
    seed: int,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[PoseSequence, list[Score]]:
    """SMGA's poses of the speech, the best of the candidates, and the scores of all in the order of their seeds."""
    return sample_candidates(
        smga.to(device),
        speech,
        initial_pose,
        seed=seed,
        num_candidates=settings.num_candidates,
        settings=settings.sampler,
        close_lips=settings.close_lips,
        progress=progress,
    )
