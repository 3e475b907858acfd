"""librosa's spectra of speech of any length, made piece by piece: their values, without their memory.

A waveform comes in blocks [n] of any sizes, float32. Frames are 512 samples apart and centred.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from ..errors import InputError
from .recording import HOP_SAMPLES, TEMPO_RATE_HZ

PIECE_FRAMES = 500
NUM_FFT = 2048  # samples of a spectrum, librosa's default
NUM_MELS = 128  # librosa's default
OCTAVES, BINS_PER_OCTAVE = 7, 36  # of chroma_cens
CONSTANT_Q_CONTEXT_FRAMES = 100  # 4 s: its longest filter lasts 1.6 s, and octaves are resampled from each other
TEMPO_WINDOW_S = 8.0  # librosa's default


@contextmanager
def by_librosa() -> Iterator[None]:
    """Around what calls librosa: its code is compiled, by one process at a time.

    Raises InputError where numba finds no folder for the code that it compiles.
    """
    try:
        _compile()
        yield
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        raise InputError(
            "librosa cannot keep the code that it compiles, neither in its own folder nor in the home folder; set the "
            "environment variable NUMBA_CACHE_DIR to a folder that can be written, and start again."
        ) from error


@cache
def _compile() -> None:
    """Once in a process: have numba compile what librosa needs, or load it, while no other process does.

    Two that compile at once spoil numba's cache, and then every later process dies of a segmentation fault.
    """
    from filelock import FileLock

    owner = os.getuid() if hasattr(os, "getuid") else ""
    noise = np.random.default_rng(0).standard_normal(2 * TEMPO_RATE_HZ).astype(np.float32)
    with FileLock(Path(tempfile.gettempdir()) / f"mmgt-librosa-{owner}.lock"):
        import librosa

        librosa.onset.onset_detect(y=noise, sr=TEMPO_RATE_HZ)
        librosa.beat.beat_track(y=noise, sr=TEMPO_RATE_HZ)
        librosa.piptrack(y=noise, sr=TEMPO_RATE_HZ)
        librosa.feature.chroma_cens(y=noise, sr=TEMPO_RATE_HZ)


@by_librosa()
def mel_db(blocks: Iterable[np.ndarray], num_frames: int, rate_hz: int) -> np.ndarray:
    """[128, num_frames] float32: the level of Slaney mel bands in dB, cut 80 dB below the loudest."""
    import librosa

    power = np.empty((NUM_MELS, num_frames), np.float32)
    for first, spectrum in _spectra(blocks, num_frames):
        mel = librosa.feature.melspectrogram(S=spectrum**2, sr=rate_hz, n_mels=NUM_MELS)
        power[:, first : first + mel.shape[1]] = mel
    return librosa.power_to_db(power)


@by_librosa()
def tuning(blocks: Iterable[np.ndarray], num_frames: int, rate_hz: int) -> float:
    """How far the voice's tones lie from a scale on A440, in bins of the constant-Q spectrum: -0.5 .. 0.5."""
    import librosa

    pitches, magnitudes = [], []
    for _, spectrum in _spectra(blocks, num_frames):
        pitch, magnitude = librosa.piptrack(S=spectrum, sr=rate_hz, n_fft=NUM_FFT)
        is_peak = pitch > 0
        pitches.append(pitch[is_peak])
        magnitudes.append(magnitude[is_peak])
    pitch, magnitude = np.concatenate(pitches), np.concatenate(magnitudes)
    if not len(pitch):  # silence
        return 0.0
    return librosa.pitch_tuning(pitch[magnitude >= np.median(magnitude)], bins_per_octave=BINS_PER_OCTAVE)


@by_librosa()
def constant_q(blocks: Iterable[np.ndarray], num_frames: int, rate_hz: int, tuned: float) -> np.ndarray:
    """[252, num_frames] float32: magnitudes of the constant-Q spectrum that librosa's chroma_cens begins with.

    tuned: what ``tuning`` said.
    """
    import librosa

    magnitudes = np.empty((OCTAVES * BINS_PER_OCTAVE, num_frames), np.float32)
    context = CONSTANT_Q_CONTEXT_FRAMES
    for first, piece in _pieces(blocks, num_frames, context * HOP_SAMPLES, context * HOP_SAMPLES):
        spectrum = librosa.cqt(
            piece,
            sr=rate_hz,
            hop_length=HOP_SAMPLES,
            n_bins=len(magnitudes),
            bins_per_octave=BINS_PER_OCTAVE,
            tuning=tuned,
        )
        before, stop = min(first, context), min(first + PIECE_FRAMES, num_frames)
        magnitudes[:, first:stop] = np.abs(spectrum[:, before : before + stop - first])
    return magnitudes


@by_librosa()
def tempo_bpm(onset_envelope: np.ndarray, rate_hz: int, start_bpm: float = 120.0) -> float:
    """The tempo of an onset envelope [F], by the mean of its local autocorrelations and a prior around start_bpm."""
    import librosa

    window = int(librosa.time_to_frames(TEMPO_WINDOW_S, sr=rate_hz, hop_length=HOP_SAMPLES))
    padded = np.pad(onset_envelope, window // 2, mode="linear_ramp", end_values=0)
    total = np.zeros((window, 1))
    for first in range(0, len(onset_envelope), PIECE_FRAMES):
        stop = min(first + PIECE_FRAMES, len(onset_envelope))
        local = librosa.feature.tempogram(
            onset_envelope=padded[first : stop + window - 1], sr=rate_hz, win_length=window, center=False
        )
        total += local.sum(axis=1, keepdims=True)
    mean = total / len(onset_envelope)
    return float(librosa.feature.tempo(tg=mean, sr=rate_hz, hop_length=HOP_SAMPLES, start_bpm=start_bpm)[0])


def _spectra(blocks: Iterable[np.ndarray], num_frames: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first frame, magnitudes [1025, n]): each spectrum is centred on its frame, with silence around the waveform."""
    import librosa

    silence = [np.zeros(NUM_FFT // 2, np.float32)]
    for first, piece in _pieces(chain(silence, blocks, silence), num_frames, 0, NUM_FFT):
        spectrum = np.abs(librosa.stft(piece, n_fft=NUM_FFT, hop_length=HOP_SAMPLES, center=False))
        yield first, spectrum[:, : min(PIECE_FRAMES, num_frames - first)]


def _pieces(
    blocks: Iterable[np.ndarray], num_frames: int, before: int, behind: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(first frame, samples) of pieces of ``PIECE_FRAMES``, with so many samples more before and behind them.

    There are fewer where the waveform begins and ends: what a filter makes of silence there is not its end.
    """
    waiting, first, start = np.zeros(0, np.float32), 0, 0  # waiting[0] is the waveform's sample ``start``
    for block in chain(blocks, [None]):
        if block is not None:
            waiting = np.concatenate([waiting, block])
        while first < num_frames:
            stop = (first + PIECE_FRAMES) * HOP_SAMPLES + behind
            if block is not None and start + len(waiting) < stop:
                break
            yield first, waiting[: stop - start]
            first += PIECE_FRAMES
            waiting = waiting[max(0, first * HOP_SAMPLES - before) - start :]
            start = max(0, first * HOP_SAMPLES - before)
