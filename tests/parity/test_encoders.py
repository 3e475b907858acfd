"""WavLM and wav2vec2 against the authors' features (golden/stage1, golden/stage2)."""

import json

import numpy as np
import pytest
import soundfile
import torch
from authors_encoders import padded_to_clips
from golden import config, golden_files, golden_folder, part, read

from mmgt.speech.encode import encode_speech
from mmgt.speech.encoders import Speech, build_wav2vec2, build_wavlm
from mmgt.speech.features import NUM_HANDCRAFTED
from mmgt.speech.recording import Recording

WAVLM_ATOL, WAV2VEC2_ATOL, MFCC_ATOL = 1e-5, 2e-5, 2e-3


def tensors_of(arrays):
    return {key: torch.from_numpy(array.copy()) for key, array in arrays.items()}


def close(ours, golden, atol):
    torch.testing.assert_close(ours, torch.from_numpy(golden.copy()), rtol=0, atol=atol)


def golden_wavlm(path):
    arrays, metadata = read(path)
    return build_wavlm(tensors_of(part(arrays, "model")), config(metadata, "cfg")["max_distance"]), arrays


@pytest.mark.parametrize("path", golden_files("stage1", "wavlm"))
@torch.no_grad()
def test_wavlm(path):
    wavlm, golden = golden_wavlm(path)
    speech = Speech.of(Recording(golden["audio_16000"][None], 16000))
    layers = wavlm.network.feature_extractor.conv_layers
    seen = wavlm.conv_features(speech, layers, 0, golden["conv_out_frame0_10"].shape[2])
    close(seen.transpose(1, 2), golden["conv_out_frame0_10"], WAVLM_ATOL)
    steps = torch.arange(speech.num_steps).float()
    close(
        wavlm.rows(wavlm.conv_features(speech, layers, 0, len(steps)), steps)[None], golden["last_hidden"], WAVLM_ATOL
    )
    close(wavlm.encode(speech, len(golden["features_25fps"])), golden["features_25fps"], WAVLM_ATOL)


@pytest.mark.parametrize("path", golden_files("stage2", "wav2vec"))
@torch.no_grad()
def test_wav2vec2(path):
    golden, metadata = read(path)
    wav2vec2 = build_wav2vec2(tensors_of(part(golden, "weights")), config(metadata)["num_attention_heads"])
    recording = Recording(golden["pcm16"].astype("float32")[None] / 32768, 16000)
    speech = Speech.of(recording)
    close(speech.read(0, len(golden["normalised"]), wav2vec2.epsilon), golden["normalised"], WAV2VEC2_ATOL)
    layers = [wav2vec2.first_layer(speech), *wav2vec2.network.feature_extractor.conv_layers[1:]]
    close(wav2vec2.conv_features(speech, layers, 0, speech.num_steps), golden["conv_features"], WAV2VEC2_ATOL)
    for name, case in json.loads(metadata["cases"]).items():
        clip_frames = int(name.removeprefix("clip"))
        if clip_frames == -1:  # no padding: what we do by default
            assert case["frames"] == recording.num_frames()
            ours = wav2vec2.encode(speech, case["frames"])
        else:
            padded, num_frames = padded_to_clips(speech, clip_frames)
            assert num_frames == case["frames"]
            ours = wav2vec2.encode(padded, num_frames)
        close(ours, golden[f"emb_{name}"], WAV2VEC2_ATOL)


@pytest.mark.parametrize("path", golden_files("stage1", "e2e_"))
def test_gesture_features(path):
    """Both halves of SMGA's condition, from the wav."""
    golden, metadata = read(path)
    wavlm, _ = golden_wavlm(golden_folder("stage1") / metadata["wavlm_weights"].split()[0])
    samples, rate_hz = soundfile.read(golden_folder("stage1") / metadata["wav"], dtype="float32", always_2d=True)
    gesture = encode_speech(Recording(samples.T, rate_hz), wavlm=wavlm).gesture
    close(gesture[:, :-NUM_HANDCRAFTED], golden["wavlm_features"], WAVLM_ATOL)
    close(gesture, golden["cond"], MFCC_ATOL)


def test_padding_to_clips_counts_as_the_authors_do():
    def silence(seconds):
        return Speech.of(Recording(np.zeros((1, round(16000 * seconds)), np.float32), 16000))

    assert [padded_to_clips(silence(k / 25))[1] for k in (1, 80, 81)] == [80, 80, 160]
    padded, num_frames = padded_to_clips(silence(2.2), clip_frames=10)  # 35200 / 16000 * 25 > 55
    assert num_frames == 60
    assert padded.num_padding == 4 * 640
