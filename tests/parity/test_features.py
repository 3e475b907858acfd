"""Hand-crafted speech features against the authors' extractor."""

import json

import numpy as np
import pytest
import soundfile
from authors_smga import slice_recording
from golden import golden_files, golden_folder, read

from mmgt.speech.encode import handcrafted
from mmgt.speech.recording import FEATURE_RATE_HZ, Recording


def recording_of(metadata):
    """The wav beside the golden file; silence is written from its description; None where there is no sound at hand."""
    path = golden_folder("stage1") / metadata["wav"]
    if path.is_file():
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        return Recording(samples.T, rate_hz)
    if "silence" in metadata["wav"]:
        return Recording(
            np.zeros((int(metadata["channels"]), int(metadata["frames"])), np.float32), int(metadata["samplerate"])
        )
    return None


@pytest.mark.parametrize("path", golden_files("stage1", "baseline_"))
def test_handcrafted(path):
    expected, metadata = read(path)
    recording = recording_of(metadata)
    if recording is None:
        assert "audio_12800" not in expected, "the golden folder lacks the wav of this file"
        pytest.skip("the authors' own wav is not part of the golden set")
    waveform = recording.mono_at(FEATURE_RATE_HZ)
    np.testing.assert_allclose(waveform, expected["audio_12800"], rtol=0, atol=1e-6)
    features = handcrafted(recording)
    np.testing.assert_allclose(features.envelope, expected["envelope"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(features.mfcc, expected["mfcc"], rtol=0, atol=2e-3)
    np.testing.assert_allclose(features.chroma_cens, expected["chroma_cens"], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(features.onset_frames, expected["onset_frames"])
    np.testing.assert_array_equal(features.beat_frames, expected["beat_frames"])
    assert features.start_bpm == pytest.approx(expected["start_bpm"].item(), abs=1e-6)
    assert features.tempo_bpm == pytest.approx(expected["tracked_tempo"].item(), abs=1e-6)
    num_frames = len(expected["features"])
    np.testing.assert_allclose(features.table(num_frames), expected["features"], rtol=0, atol=2e-3)


def slicing_cases():
    params = golden_files("stage1", "slicing", ".json")
    return [
        pytest.param(case, id=f"{case['samplerate']}-{case['channels']}-{case['samples']}")
        for p in params
        if p.values[0] is not None
        for case in json.loads(p.values[0].read_text())["cases"]
    ] or params


@pytest.mark.parametrize("case", slicing_cases())
def test_slicing(case):
    """The authors' slicer on a formula signal: it drops the first window and the tail."""
    import hashlib

    i = np.arange(case["samples"], dtype=np.int64)
    pcm16 = [((i * (case["signal_k"] + 2 * c)) % 65521 - 32760).astype(np.int16) for c in range(case["channels"])]
    recording = Recording(np.stack(pcm16).astype(np.float32) / 32768, case["samplerate"])
    slices = slice_recording(recording)
    if not case["sliced_by_audio2vid"]:
        assert slices == [recording]
        return
    assert len(slices) == case["count"]
    for ours, expected in zip(slices, case["slices"], strict=True):
        assert ours.samples.shape == (1, expected["samples"])
        written = np.round(ours.samples[0] * 32768).astype(np.int16)
        assert written[:4].tolist() == expected["first4"]
        assert hashlib.sha256(written.tobytes()).hexdigest() == expected["pcm16_sha256"]


def length_rows():
    params = golden_files("stage1", "lengths", ".json")
    rows = [row for p in params if p.values[0] is not None for row in json.loads(p.values[0].read_text())["rows"]]
    return [pytest.param(row, id=f"{row['samplerate']}-{row['samples']}") for row in rows] or params


@pytest.mark.parametrize("row", length_rows())
def test_lengths_after_resampling(row):
    """What the authors accept unsliced depends on these lengths; we accept any, by padding to one window."""
    recording = Recording(np.zeros((1, row["samples"]), np.float32), row["samplerate"])
    assert len(recording.mono_at(16_000)) == row["samples_16k"]
    assert 1 + len(recording.mono_at(FEATURE_RATE_HZ)) // 512 == row["baseline_frames"]
    features = handcrafted(recording)
    assert len(features.envelope) >= 80
    assert features.table(80).shape == (80, 35)
