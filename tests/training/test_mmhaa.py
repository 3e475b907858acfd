import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from killing import Killed, killed_at
from safetensors import safe_open
from safetensors.torch import load_file
from video_sets import NARROW, SIDE_PX, square_set

from mmgt.errors import InputError
from mmgt.mmhaa.load import load_mmhaa
from mmgt.training.mmhaa import Batches, Drops, MMHAARun, MMHAATraining, train_mmhaa
from mmgt.training.new_networks import TINY
from mmgt.training.run import STATE, Run
from mmgt.training.start import StartFiles

IMAGE = MMHAATraining(
    process="image",
    seed=0,
    num_steps=4,
    batch=2,
    side_px=SIDE_PX,
    hearing="handcrafted",
    learning_rate=1e-3,
    sizes=NARROW,
)
VIDEO = replace(IMAGE, process="video", batch=1, num_frames=4)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def videos(tmp_path):
    return square_set(tmp_path / "set")


@pytest.fixture
def quick(monkeypatch):
    """Curves and held-out clips take longer than a small training."""
    monkeypatch.setattr(MMHAARun, "validate", lambda _: 1.0)
    monkeypatch.setattr(Run, "draw_losses", lambda *_: None)


def test_both_processes_from_nothing_to_a_loadable_network(videos, tmp_path):
    """And process 2 leaves what process 1 has learned."""
    train_mmhaa(videos, tmp_path / "image", IMAGE, save_every=2, sample_every=4)
    start = StartFiles(networks=tmp_path / "image" / "net-4.safetensors")
    trained = train_mmhaa(videos, tmp_path / "video", VIDEO, start=start, save_every=2, sample_every=4)
    for run in ("image", "video"):
        names = {path.name for path in (tmp_path / run).iterdir()}
        assert {"net-4.safetensors", "best.safetensors", "config.json", "losses.csv", STATE} <= names
        assert "net-2.safetensors" not in names
        assert (tmp_path / run / "samples" / "step_000004.png").is_file()
    loaded = load_mmhaa(tmp_path / "video" / "net-4.safetensors")
    assert loaded.video_network.config == trained.video_network.config
    for name, value in trained.video_network.state_dict().items():
        assert torch.equal(loaded.video_network.state_dict()[name], value)
    with safe_open(tmp_path / "video" / "net-4.safetensors", "pt") as file:
        assert json.loads(file.metadata()["config"])["motion_heads"] == NARROW.motion_heads
    before, after = (load_file(tmp_path / run / "net-4.safetensors") for run in ("image", "video"))
    assert all(torch.equal(after[key], value) for key, value in before.items())
    added = {key for key in after if key not in before}
    assert added
    assert all("motion_modules" in key or "audio_modules" in key or key.startswith("audioproj.") for key in added)


@pytest.mark.parametrize(
    "settings",
    [
        replace(IMAGE, average_decay=0.5, drops=Drops(0.5)),
        replace(VIDEO, accumulate=2, drops=Drops(0.5, 0.5, 0.5, 0.5), everything=True),
    ],
    ids=["image", "video"],
)
def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(videos, tmp_path, settings, quick):
    train_mmhaa(videos, tmp_path / "whole", settings, save_every=2)
    for step in (1, 3):
        with pytest.raises(Killed):
            train_mmhaa(videos, tmp_path / "killed", settings, save_every=2, progress=killed_at(step))
    train_mmhaa(videos, tmp_path / "killed", settings, save_every=2)
    for name in ("net-4.safetensors", STATE):
        whole, killed = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "killed" / "losses.csv").read_text()


@pytest.mark.parametrize("autocast", ["bf16", "fp16"])
def test_half_precision_and_checkpointing_train_too(videos, tmp_path, autocast, quick):
    plain = train_mmhaa(videos, tmp_path / "plain", replace(VIDEO, num_steps=1))
    half = train_mmhaa(
        videos, tmp_path / "half", replace(VIDEO, num_steps=1, autocast=autocast, checkpointing=True), save_every=1
    )
    a, b = plain.video_network.state_dict(), half.video_network.state_dict()
    assert all(value.dtype == torch.float32 and value.isfinite().all() for value in b.values())
    assert any(not torch.equal(a[key], b[key]) for key in a)
    resumed = train_mmhaa(
        videos, tmp_path / "half", replace(VIDEO, num_steps=2, autocast=autocast, checkpointing=True), save_every=1
    )
    assert any(not torch.equal(resumed.video_network.state_dict()[key], b[key]) for key in b)


def test_checkpointing_gives_the_same_weights(videos, tmp_path, quick):
    settings = replace(VIDEO, num_steps=2, everything=True)
    plain = train_mmhaa(videos, tmp_path / "plain", settings)
    again = train_mmhaa(videos, tmp_path / "again", replace(settings, checkpointing=True))
    for a, b in ((plain.reference_unet, again.reference_unet), (plain.video_network, again.video_network)):
        for key, value in a.state_dict().items():
            torch.testing.assert_close(b.state_dict()[key], value, rtol=0, atol=1e-6)


def test_a_step_draws_windows_of_the_set(videos):
    batch = Batches(videos, replace(VIDEO, noise_offset=0.0, drops=Drops(0, 0, 0, 0)))
    (drawn,) = batch.make(3)
    assert drawn.clip.latents.shape == (4, 4, SIDE_PX // 8, SIDE_PX // 8)
    assert drawn.clip.pose_pictures.shape == (4, 3, SIDE_PX, SIDE_PX)
    assert drawn.clip.audio.shape == (4, 5, 1, 35)
    assert [level.shape for level in drawn.clip.masks] == [(3, 4, 256), (3, 4, 64), (3, 4, 16)]
    assert abs(drawn.noise.mean()) < 0.2


def test_the_first_frame_as_the_photo(videos):
    (drawn,) = Batches(videos, replace(VIDEO, reference="first")).make(0)
    assert torch.equal(drawn.clip.photo_latents[0], drawn.clip.latents[0])
    drawn = Batches(videos, replace(IMAGE, reference="first")).make(0)[0]
    first = [videos.latents(entry, slice(0, 1))[0] for entry in videos.clips.of_split("train")]
    assert all(any(torch.equal(photo, one) for one in first) for photo in drawn.clip.photo_latents)


def test_latents_are_kept_beside_the_set(videos):
    entry = videos.clips.entries[0]
    first = videos.latents(entry, slice(3, 5))
    videos.filmed = None  # from now on nothing can be drawn
    assert torch.equal(videos.latents(entry, slice(3, 5)), first)
    assert videos.latents(entry, slice(0, 40)).shape == (40, 4, 16, 16)


def test_block_colours_come_back(videos):
    pictures = videos.filmed(videos.clips, videos.clips.entries[1], range(6), SIDE_PX)
    decoded = videos.coder.decode(videos.coder.encode(pictures))
    assert np.abs(decoded.astype(int) - pictures).max() <= 1


def test_settings_that_cannot_be_are_refused():
    for wrong in ({"side_px": 100}, {"num_frames": 33}, {"process": "both"}, {"batch": 0}, {"average_decay": 1.0}):
        with pytest.raises(InputError):
            replace(IMAGE, **wrong)
    with pytest.raises(InputError, match="multiples of 32"):
        replace(TINY, widths=(30, 32, 32, 32))
