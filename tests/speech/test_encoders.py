"""mmgt/encoders: published files in, 25 rows a second out. Tiny random networks in the published key layouts."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from tiny_encoders import IS_LARGE, TINY_WAV2VEC2, TINY_WAVLM, wav2vec2_network, wavlm_network

from mmgt.assets import SPEECH
from mmgt.errors import InputError
from mmgt.media import read_recording
from mmgt.speech.encoders import (
    Speech,
    Wav2Vec2,
    WavLM,
    build_wav2vec2,
    build_wavlm,
    load_wav2vec2,
    load_wavlm,
    networks,
)
from mmgt.speech.encoders.keys import to_original_wavlm
from mmgt.speech.recording import Recording

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@pytest.fixture(scope="module")
def tiny_wavlm():
    torch.manual_seed(0)
    return wavlm_network(**TINY_WAVLM)


@pytest.fixture(scope="module")
def tiny_wav2vec2():
    torch.manual_seed(0)
    return wav2vec2_network(**TINY_WAV2VEC2)


def state(network, old_norm=False, prefix=""):
    """The network's tensors as Hugging Face published them."""
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    tensors = {}
    for key, tensor in network.state_dict().items():
        for new, old in names.items():
            key = key.replace(new, old) if old_norm else key
        tensors[prefix + key] = tensor.clone()
    return tensors


def speech(seconds=3.2, seed=0):
    samples = np.random.default_rng(seed).normal(0.01, 0.1, (1, round(seconds * 16000)))
    return Recording(samples.astype(np.float32), 16000)


def rows(encoder, recording, **options):
    return encoder.encode(Speech.of(recording), recording.num_frames(), **options)


# --- What is made of the files


@pytest.mark.parametrize("old_norm", [False, True])
@pytest.mark.parametrize("prefix", ["", "wavlm."])
def test_wavlm_of_hugging_face(tmp_path, tiny_wavlm, prefix, old_norm):
    tensors = state(tiny_wavlm, old_norm, prefix)
    assert f"{prefix}masked_spec_embed" in tensors
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    save_file(tensors, tmp_path / "model.safetensors")
    ours = [load_wavlm(tmp_path / name).network for name in ("pytorch_model.bin", "model.safetensors")]
    for network in ours:
        assert not network.training
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, tiny_wavlm.state_dict()[key])


def test_wavlm_of_its_authors(tmp_path, tiny_wavlm):
    path = tmp_path / "WavLM-Large.pt"
    original = to_original_wavlm(state(tiny_wavlm)) | {"mask_emb": torch.zeros(32)}
    assert "encoder.layers.1.self_attn.grep_a" in original
    assert "encoder.pos_conv.0.weight_g" in original
    torch.save({"cfg": {"normalize": True, "conv_feature_layers": "[(16,10,5)] + ..."}, "model": original}, path)
    network = load_wavlm(path).network
    assert all(torch.equal(tensor, tiny_wavlm.state_dict()[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize("old_norm", [False, True])
def test_wav2vec2_of_hugging_face(tmp_path, tiny_wav2vec2, old_norm):
    tensors = state(tiny_wav2vec2, old_norm)
    tensors |= {"quantizer.codevectors": torch.zeros(1), "project_q.weight": torch.zeros(1)}
    assert {"lm_head.weight", "wav2vec2.masked_spec_embed"} <= tensors.keys()
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, metadata={"config": json.dumps({"num_heads": 4})})
    network = load_wav2vec2(path).network
    assert network.config.num_attention_heads == 4
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, tiny_wav2vec2.wav2vec2.state_dict()[key])


def test_half_precision_files_become_the_dtype_that_is_asked_for(tiny_wavlm):
    halves = {key: tensor.half() for key, tensor in state(tiny_wavlm).items()}
    assert {tensor.dtype for tensor in build_wavlm(halves).state_dict().values()} == {torch.float32}
    assert {tensor.dtype for tensor in build_wavlm(halves, dtype=torch.float16).state_dict().values()} == {torch.half}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_hears_nearly_the_same(tiny_wavlm, tiny_wav2vec2, dtype):
    recording = speech()
    for build, network in (
        (build_wavlm, tiny_wavlm),
        (lambda s, dtype: build_wav2vec2(s, 4, dtype=dtype), tiny_wav2vec2),
    ):
        full, half = [rows(build(state(network), dtype=kind), recording) for kind in (torch.float32, dtype)]
        assert half.dtype == torch.float32
        assert (full - half).norm() < 0.05 * full.norm()


def published(make, **config):
    with torch.device("meta"):
        return make(**config).state_dict()


def test_published_sizes_and_keys_there_and_back():
    """On ``meta``: WavLM-Large and wav2vec2-base at full size, strictly, and back to the published keys."""
    layout = published(wavlm_network, **LARGE)
    network = build_wavlm(layout).network
    assert network.config.num_attention_heads == 16
    assert network.config.num_buckets == 320
    assert network.config.max_bucket_distance == 800
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 315_453_120 - 1024  # masked_spec_embed
    original = to_original_wavlm(network.state_dict())
    assert original["encoder.layers.0.self_attn.relative_attention_bias.weight"].shape == (320, 16)
    assert original["encoder.layers.23.self_attn.grep_linear.weight"].shape == (8, 64)
    assert original["encoder.pos_conv.0.weight_g"].shape == (1, 1, 128)
    again = build_wavlm(original).network.state_dict()
    assert {key: t.shape for key, t in again.items()} == {key: layout[key].shape for key in again}
    assert layout.keys() - again.keys() == {"masked_spec_embed"}

    layout = published(wav2vec2_network)
    network = build_wav2vec2(layout).network
    assert network.config.num_attention_heads == 12
    again = network.state_dict()
    assert {f"wav2vec2.{key}": t.shape for key, t in again.items()} == {
        key: t.shape
        for key, t in layout.items()
        if key not in ("lm_head.weight", "lm_head.bias", "wav2vec2.masked_spec_embed")
    }


def hubert_network(**config):
    """With the head for recognition, as it is published."""
    return transformers.HubertForCTC(transformers.HubertConfig(vocab_size=5, **config)).eval()


def bare_hubert():
    """The network alone, which has the same keys as wav2vec2's."""
    return {
        key.removeprefix("hubert."): t for key, t in published(hubert_network, **ONE_LAYER).items() if "lm_" not in key
    }


def in_fairseq_names(tensors):
    """The keys by which a file of fairseq's is known; one of its training is among them."""
    names = {"feature_projection.projection.": "post_extract_proj.", "feature_projection.layer_norm.": "layer_norm."}
    renamed = {}
    for key, tensor in tensors.items():
        renamed[next((key.replace(old, new) for old, new in names.items() if key.startswith(old)), key)] = tensor
    return renamed | {"label_embs_concat": torch.zeros(1), "final_proj.weight": torch.zeros(1)}


ONE_LAYER = {"num_hidden_layers": 1}
WAVLM_BASE = ONE_LAYER | {"feat_extract_norm": "group"}
WAV2VEC2_LARGE = LARGE | ONE_LAYER


@pytest.mark.parametrize(
    ("load", "tensors", "says"),
    [
        (load_wavlm, lambda: published(wavlm_network, **WAVLM_BASE), "is WavLM-Base"),
        (load_wavlm, lambda: published(wav2vec2_network, **ONE_LAYER), "is wav2vec2, not WavLM-Large"),
        (load_wavlm, lambda: {"decoder.conv_in.weight": torch.zeros(1)}, "is a VAE, not WavLM-Large"),
        (load_wav2vec2, lambda: published(wavlm_network, **ONE_LAYER), "is WavLM, not wav2vec2-base"),
        (load_wav2vec2, lambda: published(wav2vec2_network, **WAV2VEC2_LARGE), "a large wav2vec2, 1024 wide"),
        (load_wav2vec2, lambda: published(wav2vec2_network, **WAV2VEC2_LARGE | IS_LARGE), "a large wav2vec2"),
        (load_wav2vec2, lambda: {"model.encoder.embed_positions.weight": torch.zeros(1)}, "not wav2vec2-base"),
        (load_wav2vec2, lambda: published(hubert_network, **ONE_LAYER), "is HuBERT, not wav2vec2-base"),
        (load_wav2vec2, lambda: bare_hubert() | {"final_proj.weight": torch.zeros(1)}, "is HuBERT"),
        (load_wav2vec2, lambda: in_fairseq_names(bare_hubert()), "is HuBERT"),
        (load_wavlm, bare_hubert, "not WavLM-Large"),
        (load_wav2vec2, lambda: published(wav2vec2_network, **ONE_LAYER, conv_kernel=(9, 3, 3, 3, 3, 2, 2)), "span"),
    ],
)
def test_another_model_is_one_sentence(tmp_path, load, tensors, says):
    path = tmp_path / "model.safetensors"
    save_file({key: torch.zeros(tensor.shape, dtype=torch.uint8) for key, tensor in tensors().items()}, path)
    with pytest.raises(InputError, match=says) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert "mmgt weights get" in str(error.value)


@pytest.mark.parametrize(
    ("model_type", "says"), [("hubert", "is hubert, as its config says"), ("wav2vec2", ""), (None, "")]
)
def test_a_configuration_tells_hubert_from_wav2vec2(tmp_path, caplog, model_type, says):
    """Without prefix their networks have the same keys: where nothing tells, a sentence says so."""
    torch.manual_seed(0)
    tensors = transformers.HubertModel(transformers.HubertConfig(**TINY_WAV2VEC2)).state_dict()
    if model_type is not None:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    if says:
        with pytest.raises(InputError, match=says):
            load_wav2vec2(path)
        return
    load_wav2vec2(path)
    assert ("may be wav2vec2 or HuBERT" in caplog.text) == (model_type is None)


def test_an_incomplete_file_is_one_sentence(tiny_wavlm, tiny_wav2vec2):
    tensors = state(tiny_wavlm)
    for key, says in (
        ("encoder.pos_conv_embed.conv.parametrizations.weight.original1", "not complete"),
        ("encoder.layers.1.attention.q_proj.bias", r"1 missing \(encoder.layers.1.attention.q_proj.bias\)"),
    ):
        with pytest.raises(InputError, match=says):
            build_wavlm({name: tensor for name, tensor in tensors.items() if name != key})
    with pytest.raises(InputError, match=r"1 unexpected \(extra.weight\)"):
        build_wav2vec2(state(tiny_wav2vec2) | {"extra.weight": torch.zeros(1)}, 4)


@pytest.mark.parametrize(
    "content", [b"", b"version https://git-lfs.github.com/spec/v1", pickle.dumps({1: 2}, protocol=2), b"\x08"]
)
def test_no_checkpoint_is_one_sentence(tmp_path, content):
    path = tmp_path / "WavLM-Large.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"(?i)put pytorch_model.bin, from .*wavlm-large"):
        load_wavlm(path)


# --- What they hear


def plain_wav2vec2(network, samples, num_frames):
    """The authors' forward with torch's and transformers' own pieces: [T, layers, D]."""
    waveform = (samples - samples.mean()) / torch.sqrt(samples.var(correction=0) + 1e-7)
    features = network.feature_extractor(waveform[None])
    features = F.interpolate(features, size=num_frames, align_corners=True, mode="linear").transpose(1, 2)
    outputs = []
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out: outputs.append(out[0] if isinstance(out, tuple) else out))
        for layer in network.encoder.layers
    ]
    network.encoder(network.feature_projection(features)[0])
    for hook in hooks:
        hook.remove()
    return torch.cat(outputs).transpose(0, 1)


def plain_wavlm(network, samples):
    """The authors' features with torch's and transformers' own pieces: [ceil((F + 1) / 2), D]."""
    hidden = network(F.layer_norm(samples[None], (1, len(samples)))).last_hidden_state
    hidden = torch.cat([hidden, hidden[:, -1:]], dim=1).transpose(1, 2)
    return F.interpolate(hidden, size=(hidden.shape[2] + 1) // 2, align_corners=True, mode="linear")[0].T


LENGTHS = [400, 1000, 16000, 18117, 50640, 51199, 51200, 51279, 51280, 80000]


@pytest.mark.parametrize("num_samples", LENGTHS)
@torch.no_grad()
def test_against_plain_forwards(tiny_wavlm, tiny_wav2vec2, num_samples):
    recording = speech(num_samples / 16000)
    samples, num_frames = torch.from_numpy(recording.samples[0]), recording.num_frames()
    ours = rows(WavLM(tiny_wavlm), recording)
    expected = plain_wavlm(tiny_wavlm, samples)
    assert ours.shape == (num_frames, 32)
    assert num_frames - len(expected) in (0, 1)
    torch.testing.assert_close(ours[: len(expected)], expected, rtol=0, atol=1e-5)
    assert (ours[len(expected) :] == ours[len(expected) - 1]).all()

    ours = rows(Wav2Vec2(tiny_wav2vec2.wav2vec2), recording)
    expected = plain_wav2vec2(tiny_wav2vec2.wav2vec2, samples, num_frames)
    assert ours.shape == (num_frames, 3, 32)
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("num_samples", [1, 399])
def test_less_than_one_step_is_padded(tiny_wavlm, tiny_wav2vec2, num_samples):
    for encoder in (WavLM(tiny_wavlm), Wav2Vec2(tiny_wav2vec2.wav2vec2)):
        encoded = rows(encoder, speech(num_samples / 16000))
        assert len(encoded) == 1
        assert torch.isfinite(encoded).all()


def test_silence_is_finite(tiny_wavlm, tiny_wav2vec2):
    for encoder in (WavLM(tiny_wavlm), Wav2Vec2(tiny_wav2vec2.wav2vec2)):
        assert torch.isfinite(rows(encoder, Recording(np.zeros((1, 20000), np.float32), 16000))).all()


# --- Long speech


@pytest.fixture
def short_chunks(monkeypatch):
    in_short_chunks(monkeypatch)


def in_short_chunks(monkeypatch):
    monkeypatch.setattr(networks, "CHUNK_FRAMES", 120)
    monkeypatch.setattr(networks, "BLEND_FRAMES", 10)


def encoders(tiny_wavlm, tiny_wav2vec2):
    return WavLM(tiny_wavlm), Wav2Vec2(tiny_wav2vec2.wav2vec2)


def test_speech_of_one_chunk_is_encoded_at_once(tiny_wavlm, tiny_wav2vec2, monkeypatch):
    recording = speech(120 / 25)
    whole = [rows(encoder, recording) for encoder in encoders(tiny_wavlm, tiny_wav2vec2)]
    in_short_chunks(monkeypatch)
    for encoder, expected in zip(encoders(tiny_wavlm, tiny_wav2vec2), whole, strict=True):
        assert torch.equal(rows(encoder, recording), expected)
        assert encoder.num_chunks(120) == 1
        assert encoder.num_chunks(121) == 2


def test_chunks_join_without_a_seam(tiny_wavlm, tiny_wav2vec2, monkeypatch):
    """Random weights attend to all alike: chunks differ from the whole a little everywhere, at joints no more."""
    recording = read_recording(SPEECH)
    recording = Recording(np.tile(recording.samples, 3)[:, : 16000 * 16], recording.rate_hz)
    wholes = [rows(encoder, recording).flatten(1) for encoder in encoders(tiny_wavlm, tiny_wav2vec2)]
    in_short_chunks(monkeypatch)
    for encoder, whole in zip(encoders(tiny_wavlm, tiny_wav2vec2), wholes, strict=True):
        chunked = rows(encoder, recording).flatten(1)
        assert encoder.num_chunks(len(whole)) >= 4
        error = (chunked - whole).norm(dim=1) / whole.norm(dim=1)
        assert error.max() < 0.2
        speed, whole_speed = [(x[1:] - x[:-1]).norm(dim=1) for x in (chunked, whole)]
        assert (speed / whole_speed).max() < 1.1


@pytest.mark.usefixtures("short_chunks")
def test_convolutions_of_a_chunk_are_those_of_the_whole(tiny_wav2vec2):
    """Group norm takes the statistics of the whole recording, though it is read in pieces."""
    encoder = Wav2Vec2(tiny_wav2vec2.wav2vec2)
    heard = Speech.of(speech(12))
    layers = [encoder.first_layer(heard), *encoder.network.feature_extractor.conv_layers[1:]]
    samples = heard.read(0, heard.num_samples, encoder.epsilon)[None]
    with torch.no_grad():
        whole = encoder.network.feature_extractor(samples).transpose(1, 2)
        torch.testing.assert_close(encoder.conv_features(heard, layers, 333, 555), whole[:, 333:555], rtol=0, atol=1e-5)


@pytest.mark.usefixtures("short_chunks")
def test_no_chunk_is_longer_than_it_should(tiny_wavlm, tiny_wav2vec2, monkeypatch):
    """That is what keeps memory flat."""
    for encoder in encoders(tiny_wavlm, tiny_wav2vec2):
        heard, rows_of = [], encoder.rows
        monkeypatch.setattr(encoder, "rows", lambda f, steps, h=heard, r=rows_of: h.append(len(steps)) or r(f, steps))
        assert len(rows(encoder, speech(30))) == 750
        assert max(heard) <= 120
        assert sum(heard) < 1.6 * 750


@pytest.mark.usefixtures("short_chunks")
def test_progress_comes_with_every_chunk_and_may_cancel(tiny_wavlm):
    recording, steps = speech(12), []
    encoder = WavLM(tiny_wavlm)
    rows(encoder, recording, progress=lambda step, total: steps.append((step, total)))
    assert steps == [(i + 1, encoder.num_chunks(300)) for i in range(encoder.num_chunks(300))]

    class Cancelled(Exception):  # noqa: N818
        pass

    def cancel(_step, _total):
        raise Cancelled

    with pytest.raises(Cancelled):
        rows(encoder, recording, progress=cancel)
