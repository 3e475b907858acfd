import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from tiny import HEADS, tiny_state
from tiny_smga import TINY_SMGA
from torch import nn

from mmgt import ops as own_ops
from mmgt.diffusion import PUBLISHED, Parametrisation
from mmgt.errors import InputError
from mmgt.mmhaa.load import build_mmhaa, load_mmhaa
from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import from_authors, to_authors
from mmgt.smga.load import build_smga, load_smga
from mmgt.smga.model import SMGA
from mmgt.weights import load_strictly


@pytest.fixture(scope="module")
def authors_dict():
    torch.manual_seed(0)
    return {key: tensor.clone() for key, tensor in to_authors(SMGA(TINY_SMGA).state_dict()).items()}


@pytest.fixture(scope="module")
def net():
    return tiny_state()


def published_layout():
    keys = Path(__file__).parents[3] / "shared" / "golden" / "keys" / "smga.json"
    if not keys.is_file():
        pytest.skip(f"no {keys}")
    return {key: torch.empty(shape, device="meta") for key, shape in json.loads(keys.read_text()).items()}


def test_the_published_layout_loads_strictly():
    model = build_smga(published_layout())
    assert model.config == SMGAConfig()
    unused = sum(t.numel() for t in published_layout().values()) - sum(t.numel() for t in model.state_dict().values())
    assert unused == 16_826_368 + 11 * 256  # what no output depends on, and 11 copies of the rotary frequencies


def test_the_published_layout_there_and_back():
    layout = published_layout()
    model = build_smga(layout)
    again = to_authors(model.state_dict())
    assert all(again[key].shape == layout[key].shape for key in again)
    unused = layout.keys() - again.keys()
    assert sum(key.endswith("rotary.freqs") for key in unused) == 11
    assert len(unused) == 96 + 11
    load_strictly(model, from_authors(again), "the way back")  # and ours again, strictly


def test_values_survive_the_key_map(authors_dict):
    again = to_authors(build_smga(authors_dict, num_heads=4).state_dict())
    assert again.keys() == authors_dict.keys()
    assert all(torch.equal(again[key], authors_dict[key]) for key in again)


def test_a_training_checkpoint_gives_its_ema_weights(tmp_path, authors_dict):
    path = tmp_path / "audio2pose_best_model.pt"
    ema = {f"module.{key}": tensor + 1 for key, tensor in authors_dict.items()}
    torch.save({"epoch": 3, "model_state_dict": authors_dict, "ema_state_dict": ema, "optimizer_state_dict": {}}, path)
    assert torch.equal(load_smga(path).pose_projection.bias, authors_dict["input_projection.bias"] + 1)


def test_heads_come_from_the_metadata(tmp_path, authors_dict, net):
    path = tmp_path / "smga.safetensors"
    save_file(authors_dict, path, metadata={"config": json.dumps({"num_heads": 4})})
    assert load_smga(path).config.num_heads == 4
    save_file(net, path, metadata={"config": json.dumps(HEADS)})
    config = load_mmhaa(path).video_network.config
    assert {"num_heads": config.num_heads, "motion_heads": config.motion_heads} == HEADS


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('{"num_heads": 5}', "32 wide, which 5 heads do not divide"),
        ('{"num_heads": 0}', "1 head and 1 group or more"),
        ('{"num_heads": "many"}', "whole numbers"),
        ("[4]", "a JSON object"),
        ("num_heads: 4", "a JSON object"),
    ],
)
def test_a_wrong_config_is_one_sentence(tmp_path, authors_dict, config, says):
    path = tmp_path / "smga.safetensors"
    save_file(authors_dict, path, metadata={"config": config})
    with pytest.raises(InputError, match=says):
        load_smga(path)


def test_what_is_predicted_comes_from_the_metadata(tmp_path, net):
    path = tmp_path / "net.safetensors"
    save_file(net, path, metadata={"config": json.dumps(HEADS)})
    assert load_mmhaa(path).parametrisation == PUBLISHED
    learned = {"prediction": "epsilon", "schedule": "scaled_linear"}
    save_file(net, path, metadata={"config": json.dumps({**HEADS, **learned})})
    assert load_mmhaa(path).parametrisation == Parametrisation(**learned)
    save_file(net, path, metadata={"config": json.dumps({**HEADS, "prediction": "x0"})})
    with pytest.raises(InputError, match=r"net.safetensors's metadata the prediction is 'x0'; it must be .* epsilon"):
        load_mmhaa(path)


def test_an_image_network_is_named(net):
    heard = ("motion_modules", "audio_modules", "audioproj")
    image = {key: tensor for key, tensor in net.items() if not any(part in key for part in heard)}
    with pytest.raises(InputError, match=r"is MMGT's image network.*mmgt train video --from-networks"):
        build_mmhaa(image, **HEADS)


def test_heads_must_divide_every_width_of_the_video_network(net):
    with pytest.raises(InputError, match=r"32 and 64 wide, which 3 heads do not divide.*--motion-heads"):
        build_mmhaa(net, num_heads=4, motion_heads=3)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"lora_unet_down.lora_down.weight": (2, 2)}, "is a LoRA"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (2, 2)}, "is a Stable Diffusion checkpoint"),
        ({"something.else": (1,)}, "is an unknown model of 1 tensors"),
    ],
)
@pytest.mark.parametrize(
    ("load", "next_step"), [(load_smga, "Rhythm Audio2Pose"), (load_mmhaa, "net-32500.pth")], ids=["smga", "mmhaa"]
)
def test_another_model_is_named_and_what_to_take_instead(tmp_path, tensors, says, load, next_step):
    path = tmp_path / "other.safetensors"
    save_file({key: torch.zeros(shape) for key, shape in tensors.items()}, path)
    with pytest.raises(InputError, match=says) as error:
        load(path)
    assert next_step in str(error.value)
    assert "models/mmgt" in str(error.value)
    assert str(path) in str(error.value)


def test_each_network_is_no_other(authors_dict, net):
    with pytest.raises(InputError, match=r"is MMGT SMGA .* not the MMGT video network"):
        build_mmhaa(authors_dict)
    with pytest.raises(InputError, match=r"is the MMGT video network .* not an SMGA"):
        build_smga(net)


def test_missing_and_unexpected_keys_are_listed(authors_dict):
    broken = dict(authors_dict)
    broken["extra.weight"] = broken.pop("time_mlp.1.bias")
    with pytest.raises(InputError, match=r"1 missing \(time_in.bias\); 1 unexpected \(extra.weight\)"):
        build_smga(broken, num_heads=4)


def test_an_incomplete_file_is_one_sentence(authors_dict, net):
    del (broken := dict(authors_dict))["final_layer.weight"]
    with pytest.raises(InputError, match=r"no complete SMGA checkpoint.*final_layer.weight"):
        build_smga(broken, num_heads=4)
    del (broken := dict(net))["denoising_unet.mid_block.resnets.0.conv1.weight"]
    with pytest.raises(InputError, match=r"1 missing .mid_block.resnets.0.conv1.weight"):
        build_mmhaa(broken, **HEADS)


class CastingLinear(nn.Linear):
    """Casts its weights to what it is given, as ComfyUI's layers do."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight.to(x), None if self.bias is None else self.bias.to(x))


class CastingLayerNorm(nn.LayerNorm):
    def forward(self, x):
        return nn.functional.layer_norm(x, self.normalized_shape, self.weight.to(x), self.bias.to(x), self.eps)


CASTING = SimpleNamespace(Linear=CastingLinear, LayerNorm=CastingLayerNorm)


def answer(model):
    """What an SMGA of width 32 says to fixed numbers."""
    generator = torch.Generator().manual_seed(0)
    x, initial, features = (torch.randn(1, *shape, generator=generator) for shape in ((80, 402), (402,), (80, 35)))
    with torch.inference_mode():
        return model(x, initial, features, torch.tensor([500]))


@pytest.mark.parametrize("ops", [own_ops, nn, CASTING], ids=["ours", "torch", "casting"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
def test_a_file_of_fewer_bits_loads_and_computes(tmp_path, authors_dict, dtype, ops):
    """It says what a float32 file of the very same numbers says."""
    rounded = {key: tensor.to(dtype) for key, tensor in authors_dict.items()}
    path = tmp_path / "smga.safetensors"
    save_file(rounded, path, metadata={"config": '{"num_heads": 4}'})
    model = load_smga(path, ops, dtype=None if ops is CASTING else torch.float32)
    wanted = build_smga({key: tensor.float() for key, tensor in rounded.items()}, 4)
    tolerance = 1e-5 if ops is not CASTING or dtype.itemsize == 1 else 0.05  # its time embedding is of the file's dtype
    torch.testing.assert_close(answer(model), answer(wanted), rtol=0, atol=tolerance)
    kept = model.pose_projection.weight.dtype
    assert kept == (dtype if ops is CASTING else torch.float32)


def test_a_video_network_of_mixed_dtypes_gets_one(net):
    """The published file is said to hold float32 and float16 side by side."""
    mixed = {key: t if key.startswith("denoising") else t.half() for key, t in net.items()}
    networks = build_mmhaa(mixed, **HEADS)
    assert {t.dtype for t in networks.video_network.state_dict().values()} == {torch.float32}
    assert {t.dtype for t in networks.reference_unet.state_dict().values()} == {torch.float32}
    halved = build_mmhaa(mixed, **HEADS, dtype=torch.float16)
    assert {t.dtype for t in halved.video_network.state_dict().values()} == {torch.float16}


def test_whole_numbers_stay_whole():
    embedding = nn.Module()
    embedding.register_buffer("position_ids", torch.arange(3, device="meta"))
    load_strictly(embedding, {"position_ids": torch.arange(3)}, "a test", torch.float16)
    assert embedding.position_ids.dtype == torch.int64
