import math
from fractions import Fraction

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgt.errors import InputError
from mmgt.speech.recording import Recording, fit_length, resample


@given(num_samples=st.integers(1, 10**7), rate_hz=st.sampled_from([8000, 16000, 22050, 44100, 48000, 96000]))
@settings(max_examples=200, deadline=None)
def test_num_frames_is_the_exact_ceiling(num_samples, rate_hz):
    recording = Recording(np.zeros((1, 1), np.float32).repeat(1, axis=1), rate_hz)
    object.__setattr__(recording, "samples", np.broadcast_to(np.float32(0), (1, num_samples)))
    assert recording.num_frames(25) == math.ceil(Fraction(num_samples * 25, rate_hz))


def test_resampling_keeps_a_tone():
    rate_hz, target_hz, tone_hz = 48000, 16000, 440
    t = np.arange(rate_hz) / rate_hz
    left = np.sin(2 * np.pi * tone_hz * t).astype(np.float32)
    waveform = Recording(np.stack([left, 0 * left]), rate_hz).mono_at(target_hz)
    expected = np.sin(2 * np.pi * tone_hz * np.arange(target_hz) / target_hz) / 2
    assert waveform.shape == (target_hz,)
    np.testing.assert_allclose(waveform[500:-500], expected[500:-500], atol=1e-4)


def test_resampling_does_not_alias():
    rate_hz = 48000
    tone = np.sin(2 * np.pi * 15000 * np.arange(rate_hz) / rate_hz).astype(np.float32)  # above 8 kHz
    waveform = Recording(tone[None], rate_hz).mono_at(16000)
    assert scipy.signal.welch(waveform[500:-500], 16000)[1].max() < 1e-8


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("target_hz", [12800, 16000, 22050])
def test_resampling_in_blocks_is_resampling_at_once(rate_hz, target_hz, monkeypatch):
    monkeypatch.setattr("mmgt.speech.recording.RESAMPLING_BLOCK", 1000)
    for num_samples in (1, 999, 1000, 12345):
        samples = np.random.default_rng(0).normal(0, 0.1, (2, num_samples)).astype(np.float32)
        recording = Recording(samples, rate_hz)
        at_once = librosa.resample(samples.mean(axis=0), orig_sr=rate_hz, target_sr=target_hz, res_type="soxr_hq")
        np.testing.assert_allclose(recording.mono_at(target_hz), at_once, rtol=0, atol=1e-7)
        np.testing.assert_array_equal(
            np.concatenate([*recording.mono_blocks_at(target_hz)]), recording.mono_at(target_hz)
        )
        both = resample(samples, rate_hz, target_hz)
        np.testing.assert_allclose(both.mean(axis=0), at_once, rtol=0, atol=1e-6)


def test_fit_length():
    np.testing.assert_array_equal(fit_length(np.arange(3.0), 5), [0, 1, 2, 0, 0])
    np.testing.assert_array_equal(fit_length(np.arange(3.0), 2), [0, 1])


@pytest.mark.parametrize("samples", [np.zeros((1, 0)), np.zeros((0, 5)), np.zeros(5), np.array([[np.nan]])])
def test_an_unusable_recording_is_one_sentence(samples):
    with pytest.raises(InputError, match="recording"):
        Recording(samples.astype(np.float32), 16000)
