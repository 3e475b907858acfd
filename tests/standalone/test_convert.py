import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import HEADS, tiny_state
from tiny_smga import TINY_SMGA

from mmgt.errors import InputError
from mmgt.mmhaa.load import build_mmhaa, load_mmhaa
from mmgt.smga.keys import to_authors
from mmgt.smga.load import build_smga, load_smga
from mmgt.smga.model import SMGA
from mmgt.standalone.convert import convert_file
from mmgt.weights import open_checkpoint


@pytest.fixture
def smga(tmp_path):
    """A checkpoint as the authors' trainer writes it; the rotary frequencies are one tensor under several names."""
    torch.manual_seed(0)
    network = to_authors(SMGA(TINY_SMGA).state_dict())
    rotary = torch.arange(4.0)
    network |= {"rotary.freqs": rotary, "seqTransDecoder.stack.0.rotary.freqs": rotary}
    network["final_layer.weight"] = network["final_layer.weight"].t().contiguous().t()
    ema = {f"module.{key}": tensor if "rotary" in key else tensor * 1.5 for key, tensor in network.items()}
    optimizer = {"state": {0: {"exp_avg": torch.ones(3), "step": 7}}, "param_groups": [{"lr": 2e-4, "params": [0]}]}
    path = tmp_path / "audio2pose_best_model.pt"
    torch.save(
        {
            "ema_state_dict": ema,
            "model_state_dict": network,
            "optimizer_state_dict": optimizer,
            "normalizer": None,
        },
        path,
    )
    return path


@pytest.fixture
def net(tmp_path):
    """Stage II's file: what was frozen in training is float16."""
    frozen = ("reference_unet.", "pose_guider.")
    tensors = {key: t.half() if key.startswith(frozen) else t for key, t in tiny_state().items()}
    path = tmp_path / "net-32500.pth"
    torch.save(tensors, path)
    return path


def content(path):
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()


def answer(model):
    generator = torch.Generator().manual_seed(1)
    x, initial, features = (torch.randn(1, *shape, generator=generator) for shape in ((80, 402), (402,), (80, 35)))
    with torch.inference_mode():
        return model(x, initial, features, torch.tensor([500]))


def test_a_converted_smga_is_its_ema_and_computes_the_same(tmp_path, smga):
    steps = []
    out = convert_file(smga, heads={"num_heads": 4}, progress=lambda *step: steps.append(step))
    assert out == tmp_path / "audio2pose_best_model.safetensors"
    tensors, metadata = content(out)
    ema = torch.load(smga, weights_only=True)["ema_state_dict"]
    assert {f"module.{key}" for key in tensors} == ema.keys()
    assert all(torch.equal(tensors[key.removeprefix("module.")], tensor) for key, tensor in ema.items())
    assert metadata["source"] == "audio2pose_best_model.pt"
    assert metadata["source_sha256"] == hashlib.sha256(smga.read_bytes()).hexdigest()
    assert json.loads(metadata["config"]) == {"num_heads": 4}
    assert metadata["format"] == "pt"
    assert "SMGA" in metadata["kind"]
    assert steps[-1] == (smga.stat().st_size,) * 2
    model = load_smga(out)
    assert model.config == TINY_SMGA
    original = open_checkpoint(smga, "")
    unconverted = build_smga(original.tensors, num_heads=4)
    torch.testing.assert_close(answer(model), answer(unconverted), atol=1e-5, rtol=1e-5)  # one is stored transposed
    assert {path.name for path in tmp_path.iterdir()} == {out.name, smga.name}


def test_a_converted_net_keeps_each_dtype_and_computes_the_same(net):
    out = convert_file(net, heads=HEADS)
    tensors, metadata = content(out)
    original = torch.load(net, weights_only=True)
    assert tensors.keys() == original.keys()
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16, torch.float32}
    assert all(
        torch.equal(tensors[key], original[key]) and tensors[key].dtype == original[key].dtype for key in tensors
    )
    assert json.loads(metadata["config"]) == {**HEADS, "num_groups": 32}
    networks = load_mmhaa(out)
    latents, token = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.ones(1, 1, 24)
    features = networks.read_photo(latents, token).features
    expected = build_mmhaa(original, **HEADS).read_photo(latents, token).features
    assert all(torch.equal(features[path], expected[path]) for path in expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_one_dtype_for_all_but_whole_numbers(tmp_path, net, dtype):
    torch.save({"decoder.conv_in.weight": torch.randn(2, 3), "count": torch.tensor(7)}, tmp_path / "vae.bin")
    tensors, _ = content(convert_file(tmp_path / "vae.bin", dtype=dtype))
    assert (tensors["decoder.conv_in.weight"].dtype, tensors["count"].item()) == (dtype, 7)
    assert tensors["count"].shape == ()
    tensors, _ = content(convert_file(net, tmp_path / "net.safetensors", dtype, HEADS))
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    original = torch.load(net, weights_only=True)
    assert all(torch.equal(tensors[key], original[key].to(dtype)) for key in original)


def test_numbers_that_do_not_fit_are_refused(tmp_path):
    source = tmp_path / "vae.bin"
    torch.save({"decoder.conv_in.weight": torch.tensor([1e6])}, source)
    with pytest.raises(InputError, match=r"decoder.conv_in.weight reaches 1e\+06, more than 6.55e\+04; take bf16"):
        convert_file(source, dtype=torch.float16)
    assert [path.name for path in tmp_path.iterdir()] == ["vae.bin"]
    assert content(convert_file(source, dtype=torch.bfloat16))[0]["decoder.conv_in.weight"].item() == 999424


def test_the_config_of_a_source_goes_along(tmp_path, net):
    torch.save(
        {"cfg": {"max_distance": 800}, "model": {"encoder.layers.0.self_attn.grep_linear.weight": torch.ones(2)}},
        tmp_path / "WavLM-Large.pt",
    )
    metadata = content(convert_file(tmp_path / "WavLM-Large.pt"))[1]
    assert json.loads(metadata["config"]) == {"max_distance": 800}
    again = convert_file(convert_file(net, heads=HEADS), tmp_path / "again.safetensors", torch.bfloat16)
    assert json.loads(content(again)[1]["config"]) == {**HEADS, "num_groups": 32}


def test_notes_go_into_the_metadata(tmp_path, net):
    out = convert_file(net, tmp_path / "noted.safetensors", heads=HEADS, notes={"licence": "Apache-2.0"})
    assert content(out)[1]["licence"] == "Apache-2.0"
    with pytest.raises(InputError, match="config of a file"):
        convert_file(net, tmp_path / "other.safetensors", heads=HEADS, notes={"config": "{}"})


def test_nothing_is_overwritten(tmp_path, net):
    mine = tmp_path / "net-32500.safetensors"
    mine.write_text("mine")
    with pytest.raises(InputError, match="exists already and is not overwritten; choose another name"):
        convert_file(net, heads=HEADS)
    source = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, source)
    with pytest.raises(InputError, match="exists already"):
        convert_file(source)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("tensors", "options", "says"),
    [
        ({"state": {0: {"exp_avg": torch.ones(2)}}}, {}, "an optimizer's state"),
        ({"epoch": 3}, {}, "a file without tensors"),
        ({"some.weight": torch.ones(2)}, {"heads": {"num_heads": 8}}, "for SMGA and the video network only"),
        ({"a": torch.ones(2)}, {"out": "no/folder/a.safetensors"}, "there is no folder no/folder"),
        ({"a": torch.ones(2)}, {"out": "a.pth"}, "does not end in .safetensors"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path, monkeypatch, tensors, options, says):
    monkeypatch.chdir(tmp_path)
    torch.save(tensors, "a.pt")
    if "out" in options:
        options = {**options, "out": Path(options["out"])}
    with pytest.raises(InputError, match=says):
        convert_file(Path("a.pt"), **options)
    assert os.listdir() == ["a.pt"]


def test_an_incomplete_network_is_refused_before_it_is_written(tmp_path, smga, net):
    tensors = torch.load(net, weights_only=True)
    del tensors["audioproj.norm.bias"]
    torch.save(tensors, net)
    with pytest.raises(InputError, match=r"1 missing \(audioproj.norm.bias\)"):
        convert_file(net, heads=HEADS)
    with pytest.raises(InputError, match="32 wide, which 5 heads do not divide"):
        convert_file(smga, heads={"num_heads": 5})
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pt", ".pth"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, net):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match="its disk has only 1 kB left"):
        convert_file(net, heads=HEADS)
    monkeypatch.undo()

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        convert_file(net, heads=HEADS)
    assert [path.name for path in tmp_path.iterdir()] == ["net-32500.pth"]
