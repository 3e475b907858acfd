"""Stage-I speech features at the video frame rate (paper section IV-A; 35 hand-crafted columns of S2G-MDDiffusion).

The condition of SMGA is WavLM's last layer (1024) followed by these 35; an SMGA trained without WavLM takes the 35.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..poses import POSE_FPS
from .features import NUM_CHROMA, NUM_MFCC, SpeechFeatures
from .loudness import speaking
from .recording import FEATURE_RATE_HZ, HOP_SAMPLES, TEMPO_RATE_HZ, Recording, as_long_as
from .spectra import by_librosa, constant_q, mel_db, tempo_bpm, tuning

if TYPE_CHECKING:
    from .encoders import Wav2Vec2, WavLM

NUM_STAGES = 4  # of ``handcrafted``, as its progress counts them
MIN_SECONDS = 3.2  # shorter recordings are padded with silence: one SMGA window


@dataclass(frozen=True)
class HandcraftedFeatures:
    """Onset strength, timbre, pitch and rhythm of a recording in frames of 40 ms.

    envelope [F], mfcc [20, F], chroma_cens [12, F] float32; onset_frames, beat_frames: frame indices;
    start_bpm: tempo prior of the beat tracker; tempo_bpm: the tempo it found. F = 1 + samples at 12.8 kHz // 512.
    """

    envelope: np.ndarray
    mfcc: np.ndarray
    chroma_cens: np.ndarray
    onset_frames: np.ndarray
    beat_frames: np.ndarray
    start_bpm: float
    tempo_bpm: float

    def table(self, num_frames: int) -> Tensor:
        """[num_frames, 35] float32: envelope, 20 MFCC, 12 chroma, onset peak 0/1, beat 0/1."""
        peaks = np.zeros((2, len(self.envelope)), np.float32)
        peaks[0, self.onset_frames] = 1
        peaks[1, self.beat_frames] = 1
        rows = np.concatenate([self.envelope[None], self.mfcc, self.chroma_cens, peaks]).T  # [F, 35]
        return torch.from_numpy(np.ascontiguousarray(rows[:num_frames], dtype=np.float32))


@by_librosa()
def handcrafted(
    recording: Recording, progress: Callable[[int, int], None] | None = None, min_seconds: float = MIN_SECONDS
) -> HandcraftedFeatures:
    """The 35 features of a recording, padded with silence to at least ``min_seconds``."""
    import librosa

    def done(stage: int) -> None:
        if progress is not None:
            progress(stage, NUM_STAGES)

    missing = math.ceil(min_seconds * recording.rate_hz) - recording.samples.shape[1]
    if missing > 0:
        recording = Recording(np.pad(recording.samples, ((0, 0), (0, missing))), recording.rate_hz)

    def heard_at(rate_hz: int) -> tuple[Iterator[np.ndarray], int, int]:
        num_samples = -(-recording.samples.shape[1] * rate_hz // recording.rate_hz)
        return recording.mono_blocks_at(rate_hz), 1 + num_samples // HOP_SAMPLES, rate_hz

    level_db = mel_db(*heard_at(TEMPO_RATE_HZ))
    start_bpm = tempo_bpm(librosa.onset.onset_strength(S=level_db, sr=TEMPO_RATE_HZ), TEMPO_RATE_HZ)
    done(1)
    sr = FEATURE_RATE_HZ
    level_db = mel_db(*heard_at(sr))
    envelope = librosa.onset.onset_strength(S=level_db, sr=sr)
    mfcc = librosa.feature.mfcc(S=level_db, sr=sr, n_mfcc=NUM_MFCC)
    del level_db
    done(2)
    onsets = librosa.onset.onset_detect(onset_envelope=envelope, hop_length=HOP_SAMPLES, sr=sr)
    tempo, beats = librosa.beat.beat_track(
        onset_envelope=envelope, sr=sr, hop_length=HOP_SAMPLES, bpm=tempo_bpm(envelope, sr, start_bpm)
    )
    done(3)
    magnitudes = constant_q(*heard_at(sr), tuning(*heard_at(sr)))
    chroma = librosa.feature.chroma_cens(C=magnitudes, hop_length=HOP_SAMPLES, n_chroma=NUM_CHROMA, sr=sr)
    done(NUM_STAGES)
    return HandcraftedFeatures(envelope, mfcc, chroma, onsets, beats, start_bpm, float(np.atleast_1d(tempo)[0]))


def encode_speech(
    recording: Recording,
    progress: Callable[[int, int], None] | None = None,
    *,
    wavlm: WavLM | None = None,
    wav2vec2: Wav2Vec2 | None = None,
    vocals: Recording | None = None,
) -> SpeechFeatures:
    """A whole recording as the networks read it; T = ceil(seconds x 25).

    wavlm: makes the gesture features [T, 1059] instead of [T, 35]. wav2vec2: makes the video features. Both compute
    where their weights are. vocals: the voice alone, as long as the recording; encoded instead of it.
    progress(step, num_steps): at least once for each chunk of 30 s; it may raise to cancel.
    Raises InputError if the vocals are longer or shorter than the recording.
    """
    from .encoders import Speech

    num_frames = recording.num_frames(POSE_FPS)
    voice = recording if vocals is None else as_long_as(recording, vocals)
    speech = Speech.of(voice)
    num_steps, done = NUM_STAGES, 0
    if wavlm is not None:
        num_steps += wavlm.num_chunks(num_frames)
    if wav2vec2 is not None:
        num_steps += wav2vec2.num_chunks(num_frames)

    def step(_step: int, _num_steps: int) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, num_steps)

    speaks = torch.from_numpy(speaking(speech.samples.numpy(), num_frames))
    gesture, video = handcrafted(voice, step).table(num_frames), None
    if wavlm is not None:
        gesture = torch.cat([wavlm.encode(speech, num_frames, step), gesture], dim=1)
    if wav2vec2 is not None:
        video = wav2vec2.encode(speech, num_frames, step)
    return SpeechFeatures(gesture, video, num_frames, POSE_FPS, speaks)
