"""The auto-encoder of FGD learns, goes on where it ended, and is what `mmgt evaluate` measures with."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from clip_sets import swaying_set
from safetensors.torch import load_file

from mmgt.cli import main
from mmgt.errors import InputError
from mmgt.media import write_video
from mmgt.pose_files import save_poses
from mmgt.training.fgd import FGDTraining, train_fgd, windows_of

QUICK = FGDTraining(num_steps=80, batch=4, learning_rate=3e-3)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return swaying_set(tmp_path_factory.mktemp("fgd") / "set", num_clips=3, num_frames=110)


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    out, losses = tmp_path_factory.mktemp("run") / "run", []
    network = train_fgd(clips, out, QUICK, progress=lambda _step, _total, loss: losses.append(loss))
    return out, network, losses


def test_it_learns_and_is_the_same_in_two_parts(clips, trained, tmp_path):
    out, network, losses = trained
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    tensors = load_file(out / "fgd.safetensors")

    def broken_off(step, _total, _loss):
        if step == 40:
            raise RuntimeError("killed")

    for progress in (broken_off, None):
        with nullcontext() if progress is None else pytest.raises(RuntimeError):
            train_fgd(clips, tmp_path / "parts", QUICK, save_every=30, progress=progress)
    for key, value in load_file(tmp_path / "parts" / "fgd.safetensors").items():
        torch.testing.assert_close(value, tensors[key], atol=0, rtol=0)
    assert len(windows_of(clips, "train")) == 2 * 4
    torch.testing.assert_close(tensors["mean"], windows_of(clips, "train").mean(dim=(0, 1)))
    torch.testing.assert_close(tensors["to_latents.bias"], network.to_latents.bias.detach())


def test_short_clips_are_one_sentence(tmp_path):
    short = swaying_set(tmp_path / "set", num_frames=50)
    with pytest.raises(InputError, match=r"no training clip of .* lasts 80 frames"):
        train_fgd(short, tmp_path / "run", QUICK)


def test_evaluate_measures_with_it(clips, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "models" / "mmgt_eval"
    models.mkdir(parents=True)
    (models / "fgd.safetensors").write_bytes((trained[0] / "fgd.safetensors").read_bytes())
    for folder in ("videos", "poses", "real"):
        (tmp_path / folder).mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for number, name in enumerate("ab"):
        write_video(tmp_path / "videos" / f"{name}.mp4", [picture] * 90, 25)
        for folder, entry in (("poses", clips.entries[number]), ("real", clips.entries[2])):
            save_poses(clips.poses(entry), tmp_path / folder / f"{name}.json")
    words = ["evaluate", "--pred", "videos", "--poses", "poses", "--ref-poses", "real", "--models", "models"]
    assert main([*words, "--out", "reports"]) == 0
    assert "| All clips together | Value |" in capsys.readouterr().out
    summary = json.loads((tmp_path / "reports" / "summary.json").read_text())
    together = {row["name"]: row for row in summary["together"]}
    assert together["FGD"]["n"] == 2 * 2
    assert together["FGD"]["value"] > 0
    rows = {row["name"]: row["value"] for row in json.loads((tmp_path / "reports" / "a.json").read_text())["rows"]}
    assert rows["FGD"] > 0
    assert "FGD of two halves of the reference" in rows
    (models / "fgd.safetensors").write_text("no network")
    words[2] = "videos/a.mp4"
    words[4], words[6] = "poses/a.json", "real/a.json"
    assert main([*words, "--out", "one"]) == 2
    assert "mmgt train fgd" in capsys.readouterr().err
