import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file

from mmgt.errors import InputError
from mmgt.weights.files import human_size, open_checkpoint, sha256_of

WANTED = "put the file of Their Authors here"


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def saved(content, zipped=True):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def zipped_bomb():
    """A checkpoint as torch writes them, its pickle exchanged for one that creates a file."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(2)}))) as theirs,
        zipfile.ZipFile(file, "w") as ours,
    ):
        for name in theirs.namelist():
            ours.writestr(name, pickle.dumps({"a": Bomb()}, 2) if name.endswith("data.pkl") else theirs.read(name))
    return file.getvalue()


def torchscript():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/constants.pkl", b"")
    return file.getvalue()


TENSORS = {"a": torch.arange(6.0).reshape(2, 3)}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.pt", None, "there is no file"),
        ("empty.pt", b"", r"is empty \(0 bytes\)"),
        ("lfs.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs pointer"),
        ("page.safetensors", b"<!DOCTYPE html><html>404", "is a web page"),
        ("page.pt", b"\xef\xbb\xbf\n <HTML>", "is a web page"),
        ("error.pth", b"<?xml version='1.0'?><Error>AccessDenied</Error>", "is a web page"),
        ("answer.bin", b"Invalid username or password.", r"begins with b'Invalid user'"),
        ("header.safetensors", b"\x80\x00\x00\x00\x00\x00\x00\x00{", "may be truncated"),
        ("half.safetensors", save(TENSORS)[:-4], "may be truncated"),
        ("few.safetensors", save(TENSORS)[:6], "begins with"),
        ("half.pt", saved(TENSORS)[:-200], "may be truncated"),
        ("half_old.pt", saved(TENSORS, zipped=False)[:-10], "may be truncated|no checkpoint"),
        ("list.pt", saved([torch.zeros(1)]), "a list instead of named tensors"),
        ("script.pt", torchscript(), "a TorchScript program"),
        ("photos.pt", b"PK\x05\x06" + bytes(18), "begins with"),
        ("bomb.pt", pickle.dumps({"ema_state_dict": Bomb()}), "can run code"),
        ("bomb2.pt", pickle.dumps({"ema_state_dict": Bomb()}, 2), "can run code"),
        ("zip_bomb.pt", zipped_bomb(), "can run code"),
        ("bomb.safetensors", pickle.dumps({"a": Bomb()}), "can run code"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,  # bytes may differ between the processes of a run
)
def test_a_wrong_file_is_one_sentence_and_nothing_runs(tmp_path, monkeypatch, name, content, says):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        open_checkpoint(Path(name), WANTED)
    assert WANTED[1:] in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("exploded").exists()


def test_the_bombs_are_live(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.load(io.BytesIO(zipped_bomb()), weights_only=False)
    assert Path("exploded").exists()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"is a folder, not a file; put the file"):
        open_checkpoint(tmp_path, WANTED)


@pytest.mark.parametrize("name", ["a.safetensors", "a.sft", "a.pt", "a.bin", "a"])
@pytest.mark.parametrize(
    "content", [save(TENSORS), saved(TENSORS), saved(TENSORS, zipped=False)], ids=["safetensors", "zip", "legacy"]
)
def test_the_content_decides_not_the_suffix(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert torch.equal(open_checkpoint(tmp_path / name, WANTED).tensors["a"], TENSORS["a"])


@pytest.mark.parametrize("key", ["model_state_dict", "state_dict", "model"])
def test_from_a_training_checkpoint_the_network_is_taken(tmp_path, key):
    path = tmp_path / "train-3400.pt"
    content = {"epoch": 3, "optimizer_state_dict": {"state": {0: {"exp_avg": torch.ones(2)}}}, key: TENSORS}
    torch.save(content, path)
    checkpoint = open_checkpoint(path, WANTED)
    assert (checkpoint.part, [*checkpoint.tensors]) == (key, ["a"])
    torch.save({**content, "ema_state_dict": {"a": TENSORS["a"] + 1}, "normalizer": None}, path)
    checkpoint = open_checkpoint(path, WANTED)
    assert checkpoint.part == "ema_state_dict"
    assert torch.equal(checkpoint.tensors["a"], TENSORS["a"] + 1)


def test_without_a_network_every_tensor_is_named(tmp_path):
    torch.save({"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4}]}, tmp_path / "optimizer.bin")
    checkpoint = open_checkpoint(tmp_path / "optimizer.bin", WANTED)
    assert (checkpoint.part, [*checkpoint.tensors]) == ("", ["state.0.exp_avg"])


def test_the_config_of_either_format_is_metadata(tmp_path):
    torch.save({"cfg": {"max_distance": 800, "layers": None}, "model": TENSORS}, tmp_path / "WavLM-Large.pt")
    save_file(TENSORS, tmp_path / "a.safetensors", metadata={"config": '{"num_heads": 4}'})
    config = '{"max_distance": 800, "layers": null}'
    assert open_checkpoint(tmp_path / "WavLM-Large.pt", WANTED).metadata == {"config": config}
    assert open_checkpoint(tmp_path / "a.safetensors", WANTED).metadata == {"config": '{"num_heads": 4}'}


def test_sizes_and_checksums(tmp_path):
    assert [human_size(n) for n in (0, 999, 2e3, 216_746_733, 7.49e9)] == [
        "0 bytes",
        "999 bytes",
        "2 kB",
        "217 MB",
        "7.49 GB",
    ]
    (tmp_path / "a").write_bytes(b"abc")
    steps = []
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "a", lambda *step: steps.append(step)) == sha256
    assert steps == [(3, 3)]
