from dataclasses import replace

import numpy as np
import pytest
import torch
from killing import Killed, killed_at
from safetensors.torch import load_file
from video_sets import NARROW, SIDE_PX, moving_square, square_set

from mmgt.diffusion import Parametrisation
from mmgt.errors import InputError
from mmgt.mmhaa.audio_proj import around_each_frame
from mmgt.mmhaa.load import load_mmhaa
from mmgt.training.checkpointing import checkpoint_layers
from mmgt.training.mmhaa import Batches, BothNetworks, Drops, MMHAARun, MMHAATraining, train_mmhaa
from mmgt.training.mmhaa_loss import MMHAALoss
from mmgt.training.new_networks import TINY, new_mmhaa
from mmgt.training.run import STATE, Run
from mmgt.training.start import StartFiles

IMAGE = MMHAATraining(
    process="image",
    seed=0,
    num_steps=2,
    batch=2,
    side_px=SIDE_PX,
    speech_kind="handcrafted",
    learning_rate=1e-3,
    sizes=NARROW,
)
VIDEO = replace(IMAGE, process="video", batch=1, num_frames=2)
EVERYTHING = replace(
    VIDEO, num_steps=3, accumulate=2, everything=True, average_decay=0.5, drops=Drops(0.5, 0.5, 0.5, 0.5)
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return square_set(tmp_path_factory.mktemp("clips") / "set")


@pytest.fixture
def quick(monkeypatch):
    """Curves, held-out clips and their samples take longer than a small training."""
    monkeypatch.setattr(MMHAARun, "validate", lambda _: 1.0)
    monkeypatch.setattr(Run, "draw_losses", lambda *_: None)


def test_both_processes_from_nothing_to_a_loadable_network(videos, tmp_path, monkeypatch):
    """And process 2 leaves what process 1 has learned."""
    monkeypatch.setattr("mmgt.training.mmhaa_samples.SAMPLE_STEPS", 2)
    train_mmhaa(videos, tmp_path / "image", IMAGE, save_every=1, sample_every=2)
    start = StartFiles(networks=tmp_path / "image" / "net-2.safetensors")
    settings = replace(VIDEO, loss=MMHAALoss(prediction="epsilon", schedule="linear"))
    trained = train_mmhaa(videos, tmp_path / "video", settings, start=start, sample_every=2)
    for run in ("image", "video"):
        names = {path.name for path in (tmp_path / run).iterdir()}
        assert {"net-2.safetensors", "best.safetensors", "config.json", "losses.csv", STATE} <= names
        assert "net-1.safetensors" not in names
        assert (tmp_path / run / "samples" / "step_000002.png").is_file()
    modes = {path.stat().st_mode for path in (tmp_path / "video").iterdir() if path.is_file()}
    assert len(modes) == 1, "whoever may read the settings may read the weights"
    loaded = load_mmhaa(tmp_path / "video" / "net-2.safetensors")
    assert loaded.video_network.config == trained.video_network.config
    assert loaded.video_network.config.motion_heads == NARROW.motion_heads
    assert loaded.parametrisation == Parametrisation("epsilon", "linear")
    for name, value in trained.video_network.state_dict().items():
        assert torch.equal(loaded.video_network.state_dict()[name], value)
    before, after = (load_file(tmp_path / run / "net-2.safetensors") for run in ("image", "video"))
    assert all(torch.equal(after[key], value) for key, value in before.items())
    added = {key for key in after if key not in before}
    assert added
    assert all("motion_modules" in key or "audio_modules" in key or key.startswith("audioproj.") for key in added)


def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(videos, tmp_path, quick):
    train_mmhaa(videos, tmp_path / "whole", EVERYTHING, save_every=2)
    with pytest.raises(Killed):
        train_mmhaa(videos, tmp_path / "killed", EVERYTHING, save_every=2, progress=killed_at(3))
    for name in (STATE, "net-2.safetensors"):  # as a process leaves them that is killed while it writes
        (tmp_path / "killed" / f".{name}.1.unfinished").write_bytes((tmp_path / "killed" / name).read_bytes()[:1000])
    train_mmhaa(videos, tmp_path / "killed", EVERYTHING, save_every=2)
    for name in ("net-3.safetensors", STATE):
        whole, killed = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "killed" / "losses.csv").read_text()


def test_half_precision_goes_on_with_its_scale(videos, tmp_path, quick):
    settings = replace(VIDEO, num_steps=1, autocast="fp16", checkpointing=True)
    train_mmhaa(videos, tmp_path / "half", settings)
    state = load_file(tmp_path / "half" / STATE)
    train_mmhaa(videos, tmp_path / "half", replace(settings, num_steps=2))
    after = load_file(tmp_path / "half" / STATE)
    assert all(tensor.dtype != torch.float16 and tensor.isfinite().all() for tensor in after.values())
    assert after["extra.scale"] <= state["extra.scale"]
    if after["extra.scale"] == state["extra.scale"]:
        assert after["extra.grown"] == state["extra.grown"] + 1


def test_checkpointing_and_half_precision_give_the_gradients(videos):
    """Checkpointing the same, half precision nearly."""
    settings = replace(EVERYTHING, drops=Drops(0, 0, 0, 0))
    networks = new_mmhaa(NARROW, 0, with_video=True)
    for parameter in networks.video_network.parameters():
        parameter.data += 1e-3  # where zero convolutions are zero, nothing is learned before them
    both, batches = BothNetworks(networks), Batches(videos, settings).make(0)

    def loss_and_gradients(**changed):
        both.zero_grad()
        loss = MMHAARun(Run(videos.clips.folder), replace(settings, **changed), videos, both).backward(batches)
        return loss, torch.cat([p.grad.flatten() for p in both.parameters() if p.grad is not None])

    loss, plain = loss_and_gradients()
    half_loss, half = loss_and_gradients(autocast="bf16")
    assert half.dtype == torch.float32
    assert half.isfinite().all()
    assert not torch.equal(half, plain)
    assert half_loss == pytest.approx(loss, rel=0.05)
    checkpoint_layers(networks)
    again, gradients = loss_and_gradients()
    assert again == loss
    assert (gradients - plain).norm() / plain.norm() < 1e-6


def test_a_step_draws_windows_of_the_set(videos):
    batch = Batches(videos, replace(VIDEO, noise_offset=0.0, drops=Drops(0, 0, 0, 0)))
    (drawn,) = batch.make(3)
    assert drawn.clip.latents.shape == (2, 4, SIDE_PX // 8, SIDE_PX // 8)
    assert drawn.clip.pose_pictures.shape == (2, 3, SIDE_PX, SIDE_PX)
    assert drawn.clip.audio.shape == (2, 5, 1, 35)
    assert [level.shape for level in drawn.clip.masks] == [(3, 2, 64), (3, 2, 16), (3, 2, 4)]
    assert abs(drawn.noise.mean()) < 0.2


def test_the_first_frame_as_the_photo(videos):
    (drawn,) = Batches(videos, replace(VIDEO, reference="first")).make(0)
    assert torch.equal(drawn.clip.photo_latents[0], drawn.clip.latents[0])
    drawn = Batches(videos, replace(IMAGE, reference="first")).make(0)[0]
    first = [videos.latents(entry, slice(0, 1))[0] for entry in videos.clips.of_split("train")]
    assert all(any(torch.equal(photo, one) for one in first) for photo in drawn.clip.photo_latents)


def test_few_windows_of_a_clip_are_learned(videos):
    """Two windows of each of two clips, each of another person, with the clip's first frame as the photo; and no other
    frames of them are encoded."""
    asked = []

    def filmed(clips, entry, frames, side_px, person=None):
        asked.append((entry.file, tuple(frames), person))
        return moving_square(clips, entry, frames, side_px)

    few = replace(videos, filmed=filmed, whole_clips=False)
    batches = Batches(few, replace(VIDEO, reference="clip", windows_per_clip=2, new_people=True, batch=8))
    for step in range(3):
        batches.make(step)
    windows = {(file, frames, person) for file, frames, person in asked if frames != (0,)}
    photos = {(file, person) for file, frames, person in asked if frames == (0,)}
    assert len(windows) == 4
    assert {(file, person) for file, _, person in windows} == photos
    assert len({person for _, _, person in windows}) == 4
    assert len(asked) == 8  # each once


def test_errors_at_the_mouth_count_more(videos):
    """By the masks that the branches see: an error there weighs (1 + weights) times one elsewhere."""
    clip = videos.clip(videos.clips.entries[0], 3, 2, 0)
    masks = torch.zeros(3, 2, 64)
    masks[1, :, :8], masks[2, :, :2] = 1, 1
    clip = replace(clip, masks=(masks,))
    timestep, noise = torch.tensor([500]), torch.zeros_like(clip.latents)
    loss = MMHAALoss(face_weight=2.0, lip_weight=5.0)
    target = loss.target(clip, noise, timestep)

    def error_at(cell):
        wrong = target.clone()
        wrong.flatten(2)[:, :, cell] += 1
        return float(loss.errors(wrong, clip, noise, timestep))

    assert error_at(0) / error_at(63) == pytest.approx(8)
    assert error_at(5) / error_at(63) == pytest.approx(3)
    everywhere = float(loss.errors(target + 1, clip, noise, timestep))
    assert everywhere == pytest.approx(1)


def test_pictures_errors_at_the_mouth_count_more_too(videos):
    """Each by its own masks, which an image network itself never sees."""
    batches = Batches(videos, replace(IMAGE, batch=3, loss=MMHAALoss(lip_weight=5.0)))
    (batch,), singles = batches.make(0), replace(IMAGE, batch=3)
    masks, loss = batch.clip.masks[0], batches.settings.loss
    assert masks.shape == (3, 3, 64)
    assert Batches(videos, singles).make(0)[0].clip.masks == ()
    target = loss.target(batch.clip, batch.noise, batch.timesteps)
    seen = masks[2].amax(dim=1) > 0  # one of the three shows no lips
    assert seen.sum() == 2
    for picture in seen.nonzero()[:, 0].tolist():
        lips, errors = masks[2, picture], []
        for cell in (int(lips.argmax()), int(lips.argmin())):
            wrong = target.clone()
            wrong[picture].flatten(1)[:, cell] += 1
            errors.append(float(loss.errors(wrong, batch.clip, batch.noise, batch.timesteps)[picture]))
        assert errors[0] / errors[1] == pytest.approx(1 + 5 * float(lips.max()))


def test_new_people_need_windows():
    with pytest.raises(InputError, match="number of windows"):
        replace(VIDEO, new_people=True)


@pytest.mark.parametrize("start", [0, 1, 17, 34, 36])
def test_a_window_is_what_the_whole_clip_holds_there(videos, start):
    """Only its frames are read, and those that are heard around it."""
    entry, frames = videos.clips.entries[0], range(start, start + 4)
    assert entry.num_frames == 40
    clip, whole = videos.clip(entry, start, 4, 0), videos.drive(entry)
    assert torch.equal(clip.audio, around_each_frame(whole.speech, frames))
    assert torch.equal(clip.pose_pictures, whole.pictures(frames))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(clip.masks, whole.masks(frames), strict=True))


def test_latents_are_kept_beside_the_set(videos):
    entry = videos.clips.entries[0]
    first = videos.latents(entry, slice(3, 5))
    again = replace(videos, filmed=None)  # nothing can be drawn
    assert torch.equal(again.latents(entry, slice(3, 5)), first)
    assert again.latents(entry, slice(0, 40)).shape == (40, 4, SIDE_PX // 8, SIDE_PX // 8)


def test_block_colours_come_back(videos):
    pictures = videos.filmed(videos.clips, videos.clips.entries[1], range(6), SIDE_PX)
    decoded = videos.coder.decode(videos.coder.encode(pictures))
    assert np.abs(decoded.astype(int) - pictures).max() <= 1


def test_settings_that_cannot_be_are_refused():
    for wrong in ({"side_px": 100}, {"num_frames": 33}, {"process": "both"}, {"batch": 0}, {"average_decay": 1.0}):
        with pytest.raises(InputError):
            replace(IMAGE, **wrong)
    with pytest.raises(InputError, match="take 128 px"):
        replace(IMAGE, sizes=replace(NARROW, widths=(32, 32, 32, 32)))
    with pytest.raises(InputError, match="multiples of 8"):
        replace(TINY, widths=(30, 32, 32, 32))
