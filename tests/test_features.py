import tracemalloc

import numpy as np
import pytest
import scipy.fft
import torch

from mmgt.assets import SPEECH
from mmgt.audio import FEATURE_RATE_HZ, Recording
from mmgt.features import NUM_HANDCRAFTED, encode_speech, handcrafted
from mmgt.media import read_recording


def noise(seconds, rate_hz, num_channels=1, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, (num_channels, round(seconds * rate_hz)))
    return Recording(samples.astype(np.float32), rate_hz)


@pytest.mark.parametrize(
    ("seconds", "rate_hz", "num_channels"),
    [(0.2, 16000, 1), (3.2, 16000, 1), (3.3, 44100, 1), (6.39, 22050, 1), (2.0, 8000, 1), (1.5, 96000, 2)],
)
def test_one_row_per_video_frame(seconds, rate_hz, num_channels):
    features = encode_speech(noise(seconds, rate_hz, num_channels))
    assert features.gesture.shape == (features.num_frames, NUM_HANDCRAFTED)
    assert features.num_frames == int(np.ceil(round(seconds * rate_hz) * 25 / rate_hz))
    assert torch.isfinite(features.gesture).all()


@pytest.mark.parametrize("click", [False, True])
def test_silence_and_a_click(click):
    samples = np.zeros((1, 32000), np.float32)
    samples[0, 16000] = float(click)
    features = encode_speech(Recording(samples, 16000)).gesture
    assert torch.isfinite(features).all()
    onsets = features[:, -2].nonzero().flatten().tolist()
    assert onsets == [] if not click else onsets
    if click:
        assert all(abs(frame - 25) <= 3 for frame in onsets)
        assert onsets


def test_mfcc_against_scipy():
    """librosa's MFCC of a whole recording from first principles: STFT power, Slaney mel, dB, DCT-II."""
    import librosa

    speech = read_recording(SPEECH)
    waveform = speech.mono_at(FEATURE_RATE_HZ)
    mfcc = handcrafted(speech).mfcc
    padded = np.pad(waveform, 1024)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    frames = np.stack([padded[s : s + 2048] * window for s in range(0, len(padded) - 2047, 512)])
    power = np.abs(np.fft.rfft(frames)) ** 2 @ librosa.filters.mel(sr=12800, n_fft=2048).T
    decibel = 10 * np.log10(np.maximum(power, 1e-10))
    decibel = np.maximum(decibel, decibel.max() - 80)
    np.testing.assert_allclose(mfcc, scipy.fft.dct(decibel, norm="ortho")[:, :20].T, atol=5e-3)


def test_memory_of_handcrafted_features_does_not_grow_with_the_recording():
    """A spectrogram of a minute is 12 MB, and librosa holds several."""
    peaks = []
    for seconds in (60, 60, 180):  # the first run also compiles
        recording = noise(seconds, 16000)
        tracemalloc.start()
        handcrafted(recording)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] - peaks[1] < 12e6
