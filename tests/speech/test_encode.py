import weakref

import numpy as np
import pytest
import scipy.fft
import torch
from tiny_encoders import tiny_wav2vec2, tiny_wavlm

from mmgt.assets import SPEECH
from mmgt.errors import InputError
from mmgt.media import read_recording
from mmgt.speech.encode import encode_speech, handcrafted
from mmgt.speech.features import NUM_HANDCRAFTED
from mmgt.speech.recording import FEATURE_RATE_HZ, Recording


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


def test_memory_of_handcrafted_features_does_not_grow_with_the_recording(monkeypatch):
    """Spectra are made in pieces that are as large for long speech as for short, and no piece outlives the next."""
    import librosa

    monkeypatch.setattr("mmgt.speech.spectra.PIECE_FRAMES", 60)
    sizes, alive, most = {}, weakref.WeakValueDictionary(), 0

    def watched(module, name, argument):
        whole = getattr(module, name)

        def call(*args, **kwargs):
            nonlocal most
            given = args[0] if args else kwargs[argument]
            sizes[name] = max(sizes.get(name, 0), given.size)
            made = whole(*args, **kwargs)
            for array in (given, made):
                if isinstance(array, np.ndarray):
                    alive[id(array)] = array
            most = max(most, len(alive))
            return made

        monkeypatch.setattr(module, name, call)

    for module, name, argument in (
        (librosa, "stft", "y"),
        (librosa, "cqt", "y"),
        (librosa, "piptrack", "S"),
        (librosa.feature, "melspectrogram", "S"),
        (librosa.feature, "tempogram", "onset_envelope"),
    ):
        watched(module, name, argument)
    seen = []
    for seconds in (20, 60):
        sizes, most = {}, 0
        handcrafted(noise(seconds, 16000))
        seen.append((sizes, most))
    assert seen[0] == seen[1]
    assert seen[1][0].keys() == {"stft", "cqt", "piptrack", "melspectrogram", "tempogram"}
    assert seen[1][1] <= 5


# --- With the neural encoders


@pytest.mark.parametrize(("seconds", "rate_hz"), [(0.001, 16000), (1.0, 48000), (3.2, 16000), (3.201, 44100)])
def test_all_encoders_give_one_row_per_video_frame(seconds, rate_hz):
    recording = noise(seconds, rate_hz)
    speech = encode_speech(recording, wavlm=tiny_wavlm(), wav2vec2=tiny_wav2vec2())
    num_frames = recording.num_frames()
    assert speech.num_frames == num_frames
    assert speech.gesture.shape == (num_frames, 32 + NUM_HANDCRAFTED)
    assert speech.video.shape == (num_frames, 3, 32)
    assert speech.speaking.shape == (num_frames,)
    without = encode_speech(recording)
    assert torch.equal(speech.gesture[:, 32:], without.gesture)
    assert without.video is None


def test_vocals_are_heard_instead_of_the_recording():
    recording, vocals = noise(3.2, 48000, seed=1), noise(3.2, 16000, seed=2)
    encoders = {"wavlm": tiny_wavlm(), "wav2vec2": tiny_wav2vec2()}
    heard, alone, mixed = (
        encode_speech(recording, vocals=vocals, **encoders),
        encode_speech(vocals, **encoders),
        encode_speech(recording, **encoders),
    )
    assert torch.equal(heard.gesture, alone.gesture)
    assert torch.equal(heard.video, alone.video)
    assert not torch.equal(heard.gesture, mixed.gesture)


@pytest.mark.parametrize("seconds", [3.17, 3.23])
def test_vocals_may_differ_by_a_video_frame(seconds):
    recording = noise(3.2, 48000)
    speech = encode_speech(recording, vocals=noise(seconds, 16000), wavlm=tiny_wavlm(), wav2vec2=tiny_wav2vec2())
    assert speech.num_frames == len(speech.gesture) == len(speech.video) == len(speech.speaking) == 80


@pytest.mark.parametrize("seconds", [2.0, 3.3])
def test_vocals_of_another_length_are_one_sentence(seconds):
    with pytest.raises(InputError, match=rf"the vocals last {seconds:.2f} s, but the recording 3.20 s"):
        encode_speech(noise(3.2, 48000), vocals=noise(seconds, 16000))


def test_progress_counts_stages_and_chunks(monkeypatch):
    monkeypatch.setattr("mmgt.speech.encoders.networks.CHUNK_FRAMES", 80)
    monkeypatch.setattr("mmgt.speech.encoders.networks.BLEND_FRAMES", 10)
    steps = []
    encode_speech(noise(10, 16000), lambda *step: steps.append(step), wavlm=tiny_wavlm(), wav2vec2=tiny_wav2vec2())
    assert [step for step, _ in steps] == [*range(1, len(steps) + 1)]
    assert {total for _, total in steps} == {len(steps)}
    assert len(steps) >= 4 + 2 * 3  # 250 frames take three chunks and more


def test_silence_gates_lips():
    samples = np.zeros((1, 16000 * 6), np.float32)
    samples[0, : 16000 * 3] = read_recording(SPEECH).samples[0, 16000 : 16000 * 4]
    recording, quiet = Recording(samples, 16000), Recording(samples * 1e-4, 16000)
    speaking = encode_speech(recording).speaking
    assert speaking[5:70].min() == 1
    assert (speaking[75 + 10 :] == 0).all()
    assert (encode_speech(recording, vocals=quiet).speaking == 0).all()
