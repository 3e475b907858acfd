"""mmgt/speech/spectra.py: spectra made in pieces, against librosa's of the whole."""

import os
import subprocess
import sys

import librosa
import numpy as np
import pytest

from mmgt.assets import SPEECH
from mmgt.media import read_recording
from mmgt.speech import spectra

RATE_HZ = 12800


def waveform(num_samples):
    speech = read_recording(SPEECH).mono_at(RATE_HZ)
    return np.resize(speech, num_samples)


def blocks(samples, size=3000):
    return [samples[start : start + size] for start in range(0, len(samples), size)]


@pytest.fixture(params=[60 * 512, 60 * 512 - 1, 200 * 512 + 77, 333 * 512 + 511])
def speech(request, monkeypatch):
    monkeypatch.setattr(spectra, "PIECE_FRAMES", 60)
    samples = waveform(request.param)
    return samples, 1 + len(samples) // 512


def test_mel_levels(speech):
    samples, num_frames = speech
    whole = librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=RATE_HZ))
    np.testing.assert_allclose(spectra.mel_db(blocks(samples), num_frames, RATE_HZ), whole, rtol=0, atol=1e-4)


def test_tuning(speech):
    samples, num_frames = speech
    whole = librosa.estimate_tuning(y=samples, sr=RATE_HZ, bins_per_octave=36)
    assert spectra.tuning(blocks(samples), num_frames, RATE_HZ) == pytest.approx(whole, abs=1e-9)


def test_constant_q(speech):
    samples, num_frames = speech
    tuned = librosa.estimate_tuning(y=samples, sr=RATE_HZ, bins_per_octave=36)
    whole = np.abs(librosa.cqt(samples, sr=RATE_HZ, n_bins=252, bins_per_octave=36, tuning=tuned))
    ours = spectra.constant_q(blocks(samples), num_frames, RATE_HZ, tuned)
    np.testing.assert_allclose(ours, whole, rtol=0, atol=1e-5 * whole.max())


def test_tempo(speech):
    envelope = librosa.onset.onset_strength(y=speech[0], sr=RATE_HZ)
    whole = librosa.feature.tempo(onset_envelope=envelope, sr=RATE_HZ, start_bpm=100)[0]
    assert spectra.tempo_bpm(envelope, RATE_HZ, start_bpm=100) == pytest.approx(whole)


def test_silence_has_no_tuning():
    assert spectra.tuning(blocks(np.zeros(50000, np.float32)), 98, RATE_HZ) == 0


def test_processes_that_compile_at_once_do_not_spoil_the_cache(tmp_path):
    """Two first runs beside each other, and one after them: without the lock one of three dies by a signal."""
    code = (
        "import numpy as np\nfrom mmgt.speech.encode import handcrafted\nfrom mmgt.speech.recording import Recording\n"
        "handcrafted(Recording(np.random.default_rng(0).normal(size=(1, 32000)).astype(np.float32), 16000))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


WHERE_NOTHING_IS_WRITTEN = """
from numba.core import caching
for locator in caching.CacheImpl._locator_classes:
    locator.from_function = classmethod(lambda cls, function, file: None)  # of a user who may write nowhere
import numpy as np
from mmgt.errors import InputError
from mmgt.rhythm.cues import hear_speech
from mmgt.speech.recording import Recording
from mmgt.speech.spectra import mel_db
noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
for hears in (lambda: mel_db([noise], 25, 16000), lambda: hear_speech(Recording(noise[None], 16000))):
    try:
        hears()
    except InputError as error:
        assert "NUMBA_CACHE_DIR" in str(error)
        print("said")
"""


def test_where_compiled_code_cannot_be_kept_the_variable_to_set_is_said():
    """In a process of its own: librosa compiles when it is first used."""
    done = subprocess.run([sys.executable, "-c", WHERE_NOTHING_IS_WRITTEN], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["said", "said"], done.stderr
