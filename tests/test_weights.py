import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mmgt.errors import InputError
from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import from_authors, to_authors
from mmgt.smga.model import SMGA
from mmgt.weights import build_smga, load_smga, open_checkpoint, recognise

TINY = SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=4, audio_channels=35)


@pytest.fixture(scope="module")
def authors_dict():
    torch.manual_seed(0)
    return {key: tensor.clone() for key, tensor in to_authors(SMGA(TINY).state_dict()).items()}


def published_layout():
    keys = Path(__file__).parents[2] / "shared" / "golden" / "keys" / "smga.json"
    if not keys.is_file():
        pytest.skip(f"no {keys}")
    return {key: torch.empty(shape, device="meta") for key, shape in json.loads(keys.read_text()).items()}


def test_the_published_layout_loads_strictly():
    model = build_smga(published_layout())
    assert model.config == SMGAConfig()
    unused = sum(t.numel() for t in published_layout().values()) - sum(t.numel() for t in model.state_dict().values())
    assert unused == 16_826_368 + 11 * 256  # what no output depends on, and 11 copies of the rotary frequencies


def test_keys_there_and_back():
    layout = published_layout()
    ours = from_authors(layout)
    again = to_authors(ours)
    assert from_authors(again).keys() == ours.keys()
    assert again.keys() <= layout.keys()
    assert all(again[key].shape == layout[key].shape for key in again)


def test_values_survive_the_key_map(authors_dict):
    again = to_authors(build_smga(authors_dict, num_heads=4).state_dict())
    assert again.keys() == authors_dict.keys()
    assert all(torch.equal(again[key], authors_dict[key]) for key in again)


def test_a_training_checkpoint_gives_its_ema_weights(tmp_path, authors_dict):
    path = tmp_path / "audio2pose_best_model.pt"
    ema = {f"module.{key}": tensor + 1 for key, tensor in authors_dict.items()}
    torch.save({"epoch": 3, "model_state_dict": authors_dict, "ema_state_dict": ema, "optimizer_state_dict": {}}, path)
    checkpoint = open_checkpoint(path, "")
    model = build_smga(checkpoint.tensors, num_heads=4)
    assert torch.equal(model.pose_projection.bias, authors_dict["input_projection.bias"] + 1)


def test_heads_come_from_the_metadata(tmp_path, authors_dict):
    path = tmp_path / "smga.safetensors"
    save_file(authors_dict, path, metadata={"config": json.dumps({"num_heads": 4})})
    assert load_smga(path).config.num_heads == 4
    save_file(authors_dict, path, metadata={"config": json.dumps({"num_heads": 5})})
    with pytest.raises(InputError, match="32 wide, which 5 heads do not divide"):
        load_smga(path)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.pt", None, "there is no file"),
        ("empty.pt", b"", "is empty"),
        ("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs pointer"),
        ("page.safetensors", b"<!DOCTYPE html><html>404", "is a web page"),
        ("half.safetensors", b"\x80\x00\x00\x00\x00\x00\x00\x00{", "may be truncated"),
        ("text.pt", b"hello, this is no checkpoint at all", "cannot be read|no checkpoint"),
        ("bomb.pt", pickle.dumps({"ema_state_dict": Bomb()}), "can run code"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, monkeypatch, name, content, says):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        load_smga(Path(name))
    assert "Rhythm Audio2Pose" in str(error.value) or "rhythm" in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model.diffusion_model.input_blocks.0.0.weight", "Stable Diffusion checkpoint"),
        ("denoising_unet.conv_in.weight", "MMGT video network"),
        ("encoder.layers.0.self_attn.grep_linear.weight", "WavLM"),
        ("lora_unet_down.lora_down.weight", "LoRA"),
        ("something.else", "unknown model of 1 tensors"),
    ],
)
def test_another_model_is_named(tmp_path, key, name):
    path = tmp_path / "other.safetensors"
    save_file({key: torch.zeros(2, 2)}, path)
    assert name in recognise({key: torch.zeros(1)})
    with pytest.raises(InputError, match=name):
        load_smga(path)


def test_missing_and_unexpected_keys_are_listed(authors_dict):
    broken = dict(authors_dict)
    broken["extra.weight"] = broken.pop("time_mlp.1.bias")
    with pytest.raises(InputError, match=r"1 missing \(time_in.bias\); 1 unexpected \(extra.weight\)"):
        build_smga(broken, num_heads=4)
