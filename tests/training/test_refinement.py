from dataclasses import astuple, replace

import numpy as np
import pytest
import torch
from clip_sets import swaying_set
from killing import Killed, killed_at
from safetensors.torch import load_file
from tiny_refinement import TINY, tiny_refinement

from mmgt.cli import main
from mmgt.errors import InputError
from mmgt.preview.refinement import load_refinement
from mmgt.preview.refinement_network import STEP_PX
from mmgt.training import refinement
from mmgt.training.clips import ClipSet
from mmgt.training.refinement import (
    FILE,
    Pairs,
    RefinementTraining,
    drawn_pairs,
    kept_pairs,
    mean_psnr,
    refinement_loss,
    train_refinement,
)
from mmgt.training.refinement_proof import prove_refinement

QUICK = RefinementTraining(num_steps=4, num_people=1, frames_each=2, crop_px=32, batch=2, cool_down=0, network=TINY)
CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return swaying_set(tmp_path_factory.mktemp("refine") / "set", num_clips=2, num_frames=8)


@pytest.fixture(scope="module")
def drawn(clips):
    return drawn_pairs(clips, "train", 1, 3, TINY.side_px, 0)


def test_pairs_are_the_warp_and_the_drawn_person(clips, drawn):
    assert drawn["warped"].shape == drawn["truths"].shape == (3, 64, 64, 3)
    assert drawn["photos"].shape == (1, 64, 64, 3)
    assert [tuple(drawn[f"edges_{level}"].shape) for level in range(4)] == [(3, s, s) for s in (64, 32, 16, 8)]
    assert drawn["person"].tolist() == [0, 0, 0]
    for warped, truth in zip(drawn["warped"].float(), drawn["truths"].float(), strict=True):
        moved = (drawn["photos"][0].float() - truth).abs().mean()
        assert (warped - truth).abs().mean() < moved + 1e-6  # the warp is nearer than the photo
    again = drawn_pairs(clips, "train", 1, 3, TINY.side_px, 0)
    assert all(torch.equal(again[name], drawn[name]) for name in drawn)
    with pytest.raises(InputError, match="has no validation clip"):
        drawn_pairs(clips, "validation", 1, 1, 64, 0)


def test_crops_of_all_sizes_lie_on_each_other(drawn):
    pairs = Pairs(drawn)
    whole, cropped = pairs.whole(1), pairs.take([1], [(2, 3)], 4)
    for all_of, part in zip(whole, cropped, strict=True):
        step = all_of.shape[-1] // (64 // STEP_PX)
        assert torch.equal(part, all_of[..., 2 * step : 6 * step, 3 * step : 7 * step])
    assert [tuple(tensor.shape) for tensor in cropped] == [(1, 3, 32, 32)] * 3 + [(1, 1, s, s) for s in (32, 16, 8, 4)]


def test_crops_are_drawn_where_the_warp_errs(drawn):
    warped, truths = torch.zeros(1, 64, 64, 3, dtype=torch.uint8), torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    truths[0, 40:48, 16:24] = 200
    pairs = Pairs({"warped": warped, "truths": truths, "person": torch.zeros(1)})
    found = [pairs.cell(0, 2, torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert found.count((4, 1)) > 50  # around the middle cell (5, 2)
    assert all(0 <= row <= 6 and 0 <= column <= 6 for row, column in found)


def test_the_loss_restated():
    made, truth = (np.random.default_rng(seed).random((2, 3, 8, 8)) for seed in (0, 1))
    error = made - truth
    total = np.abs(error).mean() + 3 * (error**2).mean()
    for scale in (1, 2, 4):
        blocks = error.reshape(2, 3, 8 // scale, scale, 8 // scale, scale).mean(axis=(3, 5))
        total += 0.5 / 3 * (np.abs(np.diff(blocks, axis=3)).mean() + np.abs(np.diff(blocks, axis=2)).mean())
    loss = refinement_loss(torch.from_numpy(made), torch.from_numpy(truth), 0.5, 3.0)
    assert float(loss) == pytest.approx(total, rel=1e-9)


def test_a_few_steps_mend_what_they_see(clips, tmp_path):
    """The frames that are learned come nearer to the truth than the warp is."""
    settings = replace(QUICK, num_steps=40, batch=4, learning_rate=5e-3, warm_up=0, average_decay=0.9)
    train_refinement(clips, tmp_path, settings, save_every=40)
    learned, _ = kept_pairs(clips, tmp_path, settings)
    network, untrained = load_refinement(tmp_path / FILE), tiny_refinement(trained=False)
    assert mean_psnr(network, learned, CPU) > mean_psnr(untrained, learned, CPU) + 0.3


def test_a_killed_run_ends_with_the_same_weights(clips, tmp_path, monkeypatch):
    train_refinement(clips, tmp_path / "whole", QUICK)
    with pytest.raises(Killed):
        train_refinement(clips, tmp_path / "killed", QUICK, save_every=1, progress=killed_at(2))
    monkeypatch.setattr(refinement, "drawn_pairs", None)  # they are kept
    train_refinement(clips, tmp_path / "killed", QUICK)
    whole, killed = (load_file(tmp_path / run / FILE) for run in ("whole", "killed"))
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


def test_the_proof_compares_with_and_without(clips):
    first, again = (prove_refinement(tiny_refinement(), clips, 1, 3) for _ in range(2))
    assert [row.name for row in first] == ["Preview Motion", "Preview Motion, refined", "photo held still"]
    assert str([astuple(row) for row in first]) == str([astuple(row) for row in again])
    assert first[0].likeness != first[1].likeness
    untrained, plain = prove_refinement(tiny_refinement(trained=False), clips, 1, 3)[1], first[0]
    assert str(untrained.likeness) == str(plain.likeness)
    with pytest.raises(InputError, match="has no test clip"):
        prove_refinement(tiny_refinement(), no_test_clips(clips), 1, 3)


def no_test_clips(clips):
    other = ClipSet(clips.folder)
    other.entries = [entry for entry in other.entries if entry.split == "train"]
    return other


def test_by_the_command_line(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sizes = ["--people", "1", "--frames", "1", "--side", "64", "--crop", "32", "--widths", "4", "4", "4", "4"]
    words = ["--data", str(clips.folder), "--device", "cpu", "--steps", "1", "--batch", "1", *sizes]
    assert main(["train", "refine", "--out", "run", "--sample-every", "1", *words]) == 0
    assert "done: run/refinement.safetensors" in capsys.readouterr().out.replace("\\", "/")
    assert (tmp_path / "run" / "samples" / "step_000001.png").is_file()
    compare = ["train", "compare-refine", "--data", str(clips.folder), "--clips", "1", "--frames", "2", "--network"]
    assert main([*compare, "run/refinement.safetensors"]) == 0
    assert "| Preview Motion, refined |" in capsys.readouterr().out
    assert main([*compare, str(clips.folder / "clip0.safetensors")]) == 2
    assert "not a refinement of Preview Motion" in capsys.readouterr().err


def test_settings_that_cannot_be_are_refused():
    for wrong in ({"batch": 0}, {"num_people": 0}, {"crop_px": 30}, {"crop_px": 128}):
        with pytest.raises(InputError):
            replace(QUICK, **wrong)
