from dataclasses import replace
from itertools import product

import pytest
import torch
from clip_sets import swaying_set
from killing import Killed, killed_at
from safetensors.torch import load_file

from mmgt.errors import InputError
from mmgt.standalone.vae import load_vae
from mmgt.training import tiny_vae
from mmgt.training.tiny_vae import WEIGHTS, Crops, TinyVAETraining, begun_vae, reconstruction_loss, train_tiny_vae

QUICK = TinyVAETraining(num_steps=4, num_pictures=3, side_px=64, crop_px=32, batch=1, encoder_width=8, decoder_width=8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return swaying_set(tmp_path_factory.mktemp("vae") / "set", num_clips=3, num_frames=8)


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr(tiny_vae, "HELD_OUT_PICTURES", 2)


@torch.no_grad()
def test_it_begins_as_a_cells_mean_colour():
    """A picture of one colour comes back; three latents are its colours in deviations."""
    vae = begun_vae(TinyVAETraining())
    colour = torch.tensor([0.2, 0.5, 0.8])
    latents = vae.encoder((colour * 2 - 1).view(1, 3, 1, 1).expand(1, 3, 128, 128))
    inside = latents[0, :3, 6:10, 6:10]
    torch.testing.assert_close(inside, (4 * (colour - 0.5)).view(3, 1, 1).expand_as(inside), atol=1e-4, rtol=0)
    decoded = (vae.decoder(latents)[0, :, 48:80, 48:80] + 1) / 2
    assert (decoded - colour.view(3, 1, 1)).abs().max() < 0.06  # the clamp of latents squeezes colours a little


def test_the_loss_restated():
    generator = torch.Generator().manual_seed(0)
    made, truth = torch.rand(2, 2, 3, 4, 5, generator=generator)
    weights = torch.rand(2, 1, 4, 5, generator=generator) + 0.5
    shares, error, total = weights / weights.mean(), made - truth, 0.0
    for dy, dx, factor in ((0, 0, 1), (0, 1, 0.5), (1, 0, 0.5)):
        term = []
        for b, c, y, x in product(range(2), range(3), range(dy, 4), range(dx, 5)):
            wrong = error[b, c, y, x] - (error[b, c, y - dy, x - dx] if dy or dx else 0)
            term.append(float(shares[b, 0, y, x] * wrong.abs()))
        total += factor * sum(term) / len(term)
    assert float(reconstruction_loss(made, truth, weights, 0.5)) == pytest.approx(total, rel=1e-5)


def test_crops_lie_on_their_regions():
    """Of every picture: one crop anywhere, and one over each of face and hands, with the regions' weights."""
    pictures = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    boxes = torch.tensor([[[2, 2, 12, 12], [40, 40, 60, 60], [0, 0, 0, 0], [5, 8, 9, 11]]])
    for (x0, y0, x1, y1), value in zip(boxes[0, :2].tolist(), (100, 200), strict=True):
        pictures[0, y0:y1, x0:x1] = value
    crops, weights = Crops(pictures, boxes, QUICK).make(0)
    assert crops.shape == (4, 3, 32, 32)
    assert weights.shape == (4, 1, 32, 32)
    assert crops[1].max() == pytest.approx(100 / 127.5 - 1)
    assert crops[2].max() == pytest.approx(200 / 127.5 - 1)
    assert set(weights[1].unique().tolist()) >= {1.0, QUICK.face_weight, QUICK.lip_weight}
    again, _ = Crops(pictures, boxes, QUICK).make(0)
    assert torch.equal(crops, again)


def test_a_killed_run_ends_with_the_same_weights(clips, tmp_path):
    train_tiny_vae(clips, tmp_path / "whole", QUICK)
    with pytest.raises(Killed):
        train_tiny_vae(clips, tmp_path / "killed", QUICK, save_every=1, progress=killed_at(2))
    train_tiny_vae(clips, tmp_path / "killed", QUICK)
    whole, killed = (load_file(tmp_path / run / WEIGHTS) for run in ("whole", "killed"))
    assert all(torch.equal(whole[key], killed[key]) for key in whole)


def test_only_the_decoder_learns(clips, tmp_path):
    train_tiny_vae(clips, tmp_path / "first", QUICK)
    first = tmp_path / "first" / WEIGHTS
    train_tiny_vae(clips, tmp_path / "second", replace(QUICK, only_decoder=True), start=first)
    before, after = load_vae(first).state_dict(), load_vae(tmp_path / "second" / WEIGHTS).state_dict()
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"decoder"}


def test_settings_that_cannot_be_are_refused():
    for wrong in ({"batch": 0}, {"crop_px": 30}, {"crop_px": 128}):
        with pytest.raises(InputError):
            replace(QUICK, **wrong)
