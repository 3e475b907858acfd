"""``mmgt train image`` with all that can be given to it, at the smallest size."""

import json
import sys
from types import SimpleNamespace
from typing import get_args

import pytest
from clip_sets import swaying_set
from safetensors.torch import load_file, save_file
from tiny_pictures import tiny_clip_state, tiny_vae_state

from mmgt.cli import main
from mmgt.commands.train_stage_two import THIRD_MASKS
from mmgt.errors import InputError
from mmgt.evaluation.paper_ablation import PAPER
from mmgt.mmhaa.masks import ThirdMask
from mmgt.training.loop import tensorboard
from mmgt.training.smga_ablations import FACE_RATIOS, SMGA_ABLATIONS

SMALLEST = ["--size", "tiny", "--widths", "32", "32", "64", "64", "--side", "64", "--steps", "1", "--batch", "1"]


def train(tmp_path, *more):
    clips = tmp_path / "set"
    if not clips.exists():
        swaying_set(clips, num_clips=2, num_frames=4)
    return main(["train", "image", "--data", str(clips), "--out", str(tmp_path / "run"), *SMALLEST, *more])


def test_with_a_vae_and_clip(tmp_path, monkeypatch, capsys):
    """Latents and tokens are theirs, and the network reads a token as wide as CLIP's; curves go to a board."""
    vae, clip = tmp_path / "vae.safetensors", tmp_path / "clip.safetensors"
    save_file(tiny_vae_state(), vae)
    save_file(tiny_clip_state(48), clip)
    written = []
    board = SimpleNamespace(add_scalar=lambda *given: written.append(given))
    monkeypatch.setattr("mmgt.training.loop.tensorboard", lambda _folder: board)
    monkeypatch.setattr("mmgt.training.run.Run.draw_losses", lambda *_: None)
    train(tmp_path, "--vae", str(vae), "--clip", str(clip), "--tensorboard", "--device", "cpu")
    assert "done" in capsys.readouterr().out
    assert {name for name, _, step in written if step == 1} == {"loss", "held_out_loss"}
    cached = {
        path.parent.name.split("-")[0]: load_file(path) for path in (tmp_path / "set" / "cache").rglob("*0.safe*")
    }
    assert cached["latents"]["latents"].shape == (4, 4, 8, 8)
    assert cached["clip"]["tokens"].shape == (4, 1, 48)
    networks = load_file(tmp_path / "run" / "net-1.safetensors")
    assert networks["denoising_unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1] == 48
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["coder"] not in (None, "blocks")
    assert config["image_encoder"] is not None


def test_the_command_offers_the_networks_own_masks():
    assert get_args(ThirdMask) == THIRD_MASKS


def test_eight_bits_without_cuda_are_refused(tmp_path, capsys):
    assert train(tmp_path, "--eight-bit", "--device", "cpu") != 0
    assert "runs on CUDA only, but the network is on cpu; train without --eight-bit" in capsys.readouterr().err


def test_a_board_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        tensorboard("run")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("full", (True, True, 3.0)),
        ("one branch", (False, True, 3.0)),
        ("no FiLM", (True, False, 3.0)),
        ("no face loss", (True, True, 0.0)),
        ("face 1:1", (True, True, 1.0)),
        ("face 1:4", (True, True, 4.0)),
    ],
)
def test_rows_of_the_papers_ablations_are_trained_by_name(tmp_path, monkeypatch, name, wanted):
    trained = []
    monkeypatch.setattr("mmgt.training.smga.train_smga", lambda _data, _out, settings, **_: trained.append(settings))
    words = [
        "train",
        "smga",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "run"),
        "--width",
        "32",
        "--device",
        "cpu",
    ]
    assert main([*words, "--lip-weight", "100", "--ablation", name]) == 0
    (settings,) = trained
    assert settings.loss.lip_weight == (0 if name == "no face loss" else 100)
    assert (settings.two_branches, settings.film, settings.loss.face_weight) == wanted
    assert settings.width == 32
    assert name in SMGA_ABLATIONS
    assert name in PAPER or name in FACE_RATIOS
