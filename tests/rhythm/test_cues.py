"""mmgt/rhythm/cues.py: what is heard, seen at the lips. Oracle: the recording's own RMS."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from avatar import avatar_pose, lip_gap_px, syllables

from mmgt.rhythm import rhythm_poses
from mmgt.speech.recording import Recording

TEXT = (
    "Hello, and welcome. Today we talk about how people move when they speak. They nod, they blink, and they wave "
    "their hands; but most of all, the lips follow the sound."
)


def spoken(program: str, folder: Path) -> Recording:
    import soundfile

    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path = folder / "speech.wav"
    command = {
        "espeak-ng": ["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(path), TEXT],
        "flite": ["flite", "-voice", "slt", "-t", TEXT, "-o", str(path)],
    }[program]
    subprocess.run(command, check=True, capture_output=True)
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return Recording(np.ascontiguousarray(samples.T), rate_hz)


def frame_rms(recording: Recording) -> np.ndarray:
    """[T] root mean square of the native mono samples of each 1/25 s."""
    mono = recording.samples.mean(axis=0).astype(np.float64)
    edges = np.round(np.arange(recording.num_frames(25) + 1) * recording.rate_hz / 25).astype(int)
    return np.array([math.sqrt(np.mean(frame**2)) for frame in np.split(mono, edges[1:-1])])


def best_lag(gap: np.ndarray, rms: np.ndarray) -> int:
    """Frames by which the gap comes after the RMS."""
    lags = range(-10, 11)
    gap, rms = gap - gap.mean(), rms - rms.mean()
    products = [float((np.roll(gap, -lag) * rms)[10:-10].sum()) for lag in lags]
    return lags[int(np.argmax(products))]


@pytest.mark.parametrize("program", ["espeak-ng", "flite"])
def test_lips_follow_speech_without_lag(program, tmp_path, still):
    recording = spoken(program, tmp_path)
    rms = frame_rms(recording)
    for seed in (0, 1):
        gap = lip_gap_px(rhythm_poses(recording, still, seed=seed))
        assert np.corrcoef(gap, rms)[0, 1] >= 0.8
        assert abs(best_lag(gap, rms)) <= 1
    noise = np.random.default_rng(0).normal(0, 0.1 * rms.max(), recording.samples.shape).astype(np.float32)
    noisy = Recording(recording.samples + noise, recording.rate_hz)
    gap = lip_gap_px(rhythm_poses(noisy, still, seed=0))
    assert np.corrcoef(gap, rms)[0, 1] >= 0.8
    assert abs(best_lag(gap, rms)) <= 1
    assert gap.min() < 1e-2  # noise does not hold the mouth open


def test_lips_do_not_depend_on_the_level_of_the_recording():
    still = avatar_pose()
    loud, soft = (lip_gap_px(rhythm_poses(syllables(4, level=level), still, seed=0)) for level in (0.9, 0.03))
    np.testing.assert_allclose(loud, soft, atol=0.2)
