import numpy as np

from mmgt.assets import SPEECH
from mmgt.media import read_recording
from mmgt.speech.loudness import frame_rms, speaking

RATE_HZ = 16000


def test_frame_rms_of_a_known_signal():
    tone = 2**0.5 * np.sin(2 * np.pi * 1000 * np.arange(640) / RATE_HZ)
    waveform = np.concatenate([0.5 * tone, 0 * tone, 0.25 * tone]).astype(np.float32)
    np.testing.assert_allclose(frame_rms(waveform, 3), [0.5, 0, 0.25], atol=0.01)
    np.testing.assert_allclose(frame_rms(waveform[:-320], 3)[2], 0.25 / 2**0.5, atol=0.01)  # the rest is silence
    long = np.random.default_rng(0).normal(0, 0.1, 640 * 2500 + 9).astype(np.float32)
    expected = np.sqrt((long[: 640 * 2500].astype(np.float64) ** 2).reshape(2500, 640).mean(axis=1))
    np.testing.assert_allclose(frame_rms(long, 2500), expected, rtol=0.03)  # noise below 20 Hz is not heard


def test_an_offset_is_no_loudness():
    waveform = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    np.testing.assert_allclose(frame_rms(waveform + np.float32(0.3), 100)[1:], frame_rms(waveform, 100)[1:], rtol=0.02)


def test_speaking_is_one_in_speech_and_short_pauses_and_falls_to_zero_within_nine_frames():
    speech = read_recording(SPEECH).mono_at(RATE_HZ)[RATE_HZ : 3 * RATE_HZ]
    for pause_frames, lowest in ((6, 1.0), (40, 0.0)):
        waveform = np.concatenate([speech, np.zeros(640 * pause_frames, np.float32), speech])
        gate = speaking(waveform, len(waveform) // 640)
        assert gate[45 : 55 + pause_frames].min() == lowest
        assert np.abs(np.diff(gate)).max() <= 0.2 + 1e-6
        pause = gate[50 : 50 + pause_frames]
        assert pause_frames == 6 or (pause[10:-10] == 0).all()


def test_nobody_speaks_in_silence_and_noise():
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32)
    for waveform in (np.zeros(3 * RATE_HZ, np.float32), noise, noise * 1e-4):
        assert (speaking(waveform, 75) == 0).all()
