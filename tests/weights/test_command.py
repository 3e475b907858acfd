"""``mmgt weights`` as it is called."""

import io
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from golden import onnx_stand_ins
from safetensors.torch import load_file, save_file
from server import Site, running
from tiny import HEADS, tiny_state
from tiny_contextual import save_tiny_contextual

from mmgt.cli import main
from mmgt.commands.terminal import show_progress
from mmgt.weights import CATALOG
from mmgt.weights import download as download_module

CONTENT = random.Random(1).randbytes(100_000)
HEAD_OPTIONS = [word for name, number in HEADS.items() for word in (f"--{name.replace('_', '-')}", str(number))]


@pytest.fixture(autouse=True)
def no_comfyui(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("COMFYUI_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download_module, "RETRY_WAIT_S", 0.0)


def weights(*words):
    return main(["weights", *map(str, words)])


@pytest.fixture
def net(tmp_path):
    (tmp_path / "models" / "mmgt").mkdir(parents=True)
    path = tmp_path / "models" / "mmgt" / "net-32500.pth"
    torch.save(tiny_state(), path)
    return path


def test_list_says_what_is_there_missing_broken_and_wrong(tmp_path, net, capsys):
    models = tmp_path / "models"
    (models / "vae").mkdir()
    save_file({"to_q_lora.up.weight": torch.ones(1)}, models / "vae" / "sd-vae-ft-mse.safetensors")
    save_file({"a.weight": torch.ones(1)}, models / "mmgt" / "mine.safetensors")
    (models / "mmgt" / "audio2pose_best_model.pt").write_bytes(b"")
    (models / "mmgt" / "DWPose").mkdir()
    (models / "mmgt" / "DWPose" / "yolox_l.onnx").write_bytes(b"\x08\x07")
    assert weights("list") == 0
    lines = {line.split()[1].strip(":"): line for line in capsys.readouterr().out.splitlines()}
    assert lines["mmhaa"].startswith(f"there    mmhaa: {net.relative_to(tmp_path)}, ")
    assert lines["mmhaa"].endswith("the MMGT video network (net-*.pth, stage II)")
    assert lines["vae"].startswith("wrong")
    assert lines["vae"].endswith("a LoRA")
    assert lines["smga"].startswith("broken")
    assert "is empty" in lines["smga"]
    assert lines["yolox"].startswith("broken")
    assert "cannot be read as an ONNX model" in lines["yolox"]
    assert "put yolox_l.onnx, from " in lines["yolox"]
    assert "dw-ll_ucoco" not in lines["yolox"]
    for key in ("clip", "wav2vec2", "wavlm", "dwpose"):
        file = next(file for file in CATALOG if file.key == key)
        assert lines[key].startswith("missing")
        assert all(word in lines[key] for word in (file.name, file.folder, file.page))
    assert "an unknown model of 1 tensors" in lines["models/mmgt/mine.safetensors,"]
    assert len(lines) == len(CATALOG) + 1


def test_list_opens_onnx_files(tmp_path, capsys):
    """DWPose's stand-ins under their names, then swapped."""
    networks, names = onnx_stand_ins(), ("yolox_l.onnx", "dw-ll_ucoco_384.onnx")
    for folder, files in (("right", networks), ("swapped", networks[::-1])):
        (tmp_path / folder / "mmgt").mkdir(parents=True)
        for name, file in zip(names, files, strict=True):
            (tmp_path / folder / "mmgt" / name).write_bytes(file.read_bytes())
    assert weights("list", "--models", tmp_path / "right") == 0
    said = capsys.readouterr().out
    assert all(f"there    {key}" in said for key in ("yolox", "dwpose"))
    assert weights("list", "--models", tmp_path / "swapped") == 0
    said = capsys.readouterr().out
    assert all(f"wrong    {key}" in said for key in ("yolox", "dwpose"))


def test_list_looks_into_the_comfyui_folder(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "Comfy" / "models" / "audio_encoders" / "wav2vec2-base-960h"
    folder.mkdir(parents=True)
    tensors = {"wav2vec2.feature_projection.projection.weight": torch.ones(1)}
    save_file(tensors, folder / "model.safetensors")
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "Comfy"))
    assert weights("list") == 0
    assert f"there    wav2vec2: {folder / 'model.safetensors'}" in capsys.readouterr().out


def test_convert_and_inspect(net, capsys):
    assert weights("convert", net, "--dtype", "bf16", *HEAD_OPTIONS) == 0
    out = net.with_suffix(".safetensors")
    assert {tensor.dtype for tensor in load_file(out).values()} == {torch.bfloat16}
    assert f"done: {out}" in capsys.readouterr().out
    assert weights("inspect", out) == 0
    said = capsys.readouterr().out
    for words in (
        f"{out}: the MMGT video network",
        f"{len(tiny_state())} tensors",
        "bfloat16:",
        "source: net-32500.pth",
        "complete: UNetConfig(widths=(32, 64, 64, 64)",
        "belongs into models/mmgt",
    ):
        assert words in said
    assert weights("convert", net, *HEAD_OPTIONS) == 2
    assert "exists already" in capsys.readouterr().err


def test_inspect_knows_what_is_trained_here(tmp_path, capsys):
    save_tiny_contextual(tmp_path / "own.safetensors")
    assert weights("inspect", tmp_path / "own.safetensors") == 0
    assert "used for: Contextual Gesture (stage I): speech -> poses; belongs into models" in capsys.readouterr().out


def test_inspect_says_what_process_2_begins_from(tmp_path, capsys):
    heard = ("motion_modules", "audio_modules", "audioproj")
    image = {key: value.contiguous() for key, value in tiny_state().items() if not any(part in key for part in heard)}
    save_file(image, tmp_path / "net-5.safetensors")
    assert weights("inspect", tmp_path / "net-5.safetensors") == 0
    assert "`mmgt train video --from-networks FILE`" in capsys.readouterr().out


def test_inspect_says_what_is_no_network_of_ours(tmp_path, capsys):
    torch.save({"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}, tmp_path / "optimizer.bin")
    assert weights("inspect", tmp_path / "optimizer.bin") == 0
    said = capsys.readouterr().out
    assert "an optimizer's state" in said
    assert "not used here" in said
    (tmp_path / "page.safetensors").write_text("<html>")
    assert weights("inspect", tmp_path / "page.safetensors") == 2
    assert "is a web page" in capsys.readouterr().err


def test_get_puts_each_file_under_its_name_into_its_folder(tmp_path, monkeypatch, capsys):
    with running(Site(CONTENT, linked=True, cuts=[40_000])) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        assert weights("get", "wav2vec2", "dw-ll_ucoco_384.onnx") == 0
        asked = [path for path, _ in site.heads]
    models = tmp_path / "models"
    assert (models / "audio_encoders" / "wav2vec2-base-960h.safetensors").read_bytes() == CONTENT
    assert (models / "mmgt" / "dw-ll_ucoco_384.onnx").read_bytes() == CONTENT
    assert set(asked) == {
        "/facebook/wav2vec2-base-960h/resolve/main/model.safetensors",
        "/yzd-v/DWPose/resolve/main/dw-ll_ucoco_384.onnx",
    }
    said = capsys.readouterr().out
    assert "size and sha256 as announced" in said
    assert f"wav2vec2 100 % ({len(CONTENT)}/{len(CONTENT)})" in said
    assert weights("get", "wav2vec2", "dwpose") == 0  # no server any more, and none needed
    assert capsys.readouterr().out.count("there already") == 2


def test_get_goes_on_after_a_file_that_cannot_be_had(tmp_path, monkeypatch, capsys):
    with running(Site(CONTENT, statuses=[404, 404])) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        assert weights("get", "smga", "yolox", "dwpose", "--models", tmp_path / "m") == 2
    said = capsys.readouterr()
    assert f"{site.url}/addtime/MMGT_pretrained/resolve/main/stage_1/audio2pose_best_model.pt answers 404" in said.err
    assert "it was not seen" in said.err
    assert "`mmgt weights get smga --from ADDRESS`" in said.err
    assert "`mmgt weights get yolox --from ADDRESS`" not in said.err
    assert f"{site.url}/yzd-v/DWPose/resolve/main/yolox_l.onnx answers 404" in said.err
    assert str(tmp_path / "m" / "mmgt") in said.err
    assert said.err.splitlines()[-1] == "mmgt: error: not fetched: smga, yolox; the reasons are above."
    assert [path.name for path in (tmp_path / "m").rglob("*") if path.is_file() and path.suffix != ".lock"] == [
        "dw-ll_ucoco_384.onnx"
    ]


def test_get_takes_an_address_as_the_browser_shows_it(tmp_path, monkeypatch):
    with running(Site(CONTENT)) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        shown = "https://huggingface.co/them/weights/blob/main/net-32500.safetensors"
        assert weights("get", "mmhaa", "--from", shown) == 0
        assert [path for path, _ in site.requests] == ["/them/weights/resolve/main/net-32500.safetensors"]
    assert (tmp_path / "models" / "mmgt" / "net-32500.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get", "unet"], "there is no file 'unet' to fetch; choose from smga, mmhaa"),
        (["get", "vae", "clip", "--from", "http://a.example/b"], "give one NAME with it"),
        (["convert", "none.pt"], "there is no file none.pt"),
    ],
)
def test_wrong_words_are_one_sentence(capsys, words, says):
    assert weights(*words) == 2
    assert says in capsys.readouterr().err


def test_offline_everything_is_told_and_nothing_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert weights("get") == 2
    said = capsys.readouterr().err
    for file in CATALOG:
        assert file.name in said
        assert str(file.page if file.repository is None else f"{file.repository}/resolve/main/{file.published}") in said
    assert not (tmp_path / "models").exists()


def test_the_bar_of_a_terminal(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    show = show_progress("vae", "B")
    show(50_000, 100_000)
    show(100_000, 100_000)
    assert screen.getvalue().startswith("\rvae:  50%|")
    assert "vae: 100%|" in screen.getvalue()
    assert "100k/100k" in screen.getvalue()


@pytest.mark.parametrize("is_linked", [False, True])
def test_inside_of_a_comfyui_its_models_folder_is_found(tmp_path, monkeypatch, is_linked):
    """`python -m mmgt weights list` in the pack's folder below custom_nodes, copied or linked there."""
    root = Path(__file__).parents[2]
    comfyui = tmp_path / "ComfyUI"
    (comfyui / "custom_nodes").mkdir(parents=True)
    (comfyui / "models" / "mmgt").mkdir(parents=True)
    (comfyui / "models" / "mmgt" / "yolox_l.onnx").write_bytes(b"weights")
    pack = comfyui / "custom_nodes" / "mmgt-pack"
    if is_linked:
        pack.symlink_to(root, target_is_directory=True)
    else:
        shutil.copytree(root / "mmgt", pack / "mmgt", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {k: v for k, v in os.environ.items() if k not in ("COMFYUI_PATH", "PYTHONPATH")}
    command = f'cd "{pack}" && exec "{sys.executable}" -m mmgt weights list'
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert f"yolox: {comfyui / 'models' / 'mmgt' / 'yolox_l.onnx'}" in done.stdout, done.stderr
