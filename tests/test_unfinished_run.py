"""Runs that are broken off anywhere and gone on with: the same latents, frames and file as without a break."""

import numpy as np
import pytest
import torch
from tiny import HEADS, IMAGE_WIDTH, NUM_LAYERS, SPEECH_WIDTH, tiny_state

from mmgt import unfinished_run as module
from mmgt.media import lossless
from mmgt.mmhaa.drive import Drive
from mmgt.mmhaa.load import build_mmhaa
from mmgt.mmhaa.masks import EvenMasks
from mmgt.mmhaa.pictures import PictureSize
from mmgt.mmhaa.sample import DDIM, Video, VideoOptions, VideoRun, sample_latents
from mmgt.standalone.schedulers import make_scheduler
from mmgt.unfinished_run import ALL_MADE, UnfinishedRun, remove_finished, unfinished_run

SIZE, NUM_FRAMES, NUM_STEPS = PictureSize(64, 64), 10, 4
OPTIONS = {"window": 4, "overlap": 1}  # three windows


class BrokenOffError(Exception):
    pass


@pytest.fixture(scope="module")
def nets():
    return build_mmhaa(tiny_state(), **HEADS)


@pytest.fixture(autouse=True)
def every_window(monkeypatch):
    monkeypatch.setattr("mmgt.mmhaa.kept.WINDOWS_KEPT_AT_ONCE", 1)


def sampled(nets, scheduler="ddim", kept=None, calls=None, **options):
    """Latents of a video; broken off before the network is called for the time after ``calls``. Returns them, and how
    often it was called."""
    generator = torch.Generator().manual_seed(1)
    photo = nets.read_photo(
        torch.randn(1, 4, *SIZE.latent_shape, generator=generator), torch.randn(1, 1, IMAGE_WIDTH, generator=generator)
    )
    pictures = torch.rand(NUM_FRAMES, 3, 64, 64, generator=generator)
    speech = torch.randn(NUM_FRAMES, NUM_LAYERS, SPEECH_WIDTH, generator=generator)
    drive = Drive(NUM_FRAMES, SIZE, lambda frames: pictures[list(frames)], EvenMasks(SIZE), speech)
    run = VideoRun(nets.video_network, Video(photo, drive, VideoOptions(**OPTIONS, **options)))
    counted, real = [], nets.video_network.forward

    def forward(*args):
        if calls is not None and len(counted) == calls:
            raise BrokenOffError
        counted.append(1)
        return real(*args)

    nets.video_network.forward = forward
    try:
        noise = torch.randn(NUM_FRAMES, 4, *SIZE.latent_shape, generator=generator)
        steps = DDIM(NUM_STEPS) if scheduler == "ddim" else make_scheduler(scheduler, NUM_STEPS, generator)
        return sample_latents(run, noise, steps, kept=kept), len(counted)
    finally:
        del nets.video_network.forward


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "euler_a"])
def test_sampling_goes_on_from_any_window(nets, tmp_path, scheduler):
    whole, num_calls = sampled(nets, scheduler)
    assert num_calls == 3 * NUM_STEPS
    for calls in (1, 3, 5, 8, 11):
        kept = UnfinishedRun(tmp_path / str(calls))
        kept.folder.mkdir()
        with pytest.raises(BrokenOffError):
            sampled(nets, scheduler, kept, calls)
        latents, num_left = sampled(nets, scheduler, UnfinishedRun(kept.folder))
        assert num_left == num_calls - calls  # nothing is done twice
        assert torch.equal(latents, whole)


def test_sampling_goes_on_between_windows_that_pass_together(nets, tmp_path, monkeypatch):
    monkeypatch.setattr("mmgt.mmhaa.kept.WINDOWS_KEPT_AT_ONCE", 2)
    whole, num_calls = sampled(nets, windows_at_once=2)
    assert num_calls == 2 * NUM_STEPS  # two windows, and the third alone
    with pytest.raises(BrokenOffError):
        sampled(nets, kept=UnfinishedRun(tmp_path), calls=5, windows_at_once=2)
    latents, num_left = sampled(nets, kept=UnfinishedRun(tmp_path), windows_at_once=2)
    assert num_left == num_calls - 5
    assert torch.equal(latents, whole)


def test_a_step_whose_windows_are_all_kept_is_not_run_again(nets, tmp_path, monkeypatch):
    """Broken off after its last window was kept, before the step was."""

    def broken_off(*_args, **_kw):
        raise BrokenOffError

    kept = UnfinishedRun(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedRun, "keep_step", broken_off)
        with pytest.raises(BrokenOffError):
            sampled(nets, kept=kept)
    latents, num_left = sampled(nets, kept=kept)
    assert num_left == 3 * (NUM_STEPS - 1)
    assert torch.equal(latents, sampled(nets)[0])


def test_reused_features_are_made_again(nets, tmp_path):
    """They are not kept: a broken run goes on at a step that runs the whole network."""
    whole, _ = sampled(nets, reuse_every=2)
    kept = UnfinishedRun(tmp_path)
    with pytest.raises(BrokenOffError):
        sampled(nets, kept=kept, calls=10, reuse_every=2)  # in the last step, which reuses the third's
    latents, num_left = sampled(nets, kept=kept, reuse_every=2)
    assert num_left == 6
    assert torch.equal(latents, whole)


def test_a_full_disk_ends_the_keeping_and_not_the_run(nets, tmp_path, monkeypatch, caplog):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    latents, _ = sampled(nets, kept=UnfinishedRun(tmp_path))
    assert torch.equal(latents, sampled(nets)[0])
    assert [record.message.count("cannot be written") for record in caplog.records] == [1]
    assert list(tmp_path.iterdir()) == []


def test_frames_are_decoded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_FRAMES", 4)
    pictures = np.random.default_rng(0).integers(0, 256, (10, 33, 18, 3), np.uint8)
    asked = []

    def decode(first, last):
        asked.append((first, last))
        yield from pictures[first:last]

    frames = UnfinishedRun(tmp_path).frames(decode, 10)
    some = [next(frames) for _ in range(6)]  # broken off within the second part
    again = list(UnfinishedRun(tmp_path).frames(decode, 10))
    assert asked == [(0, 4), (4, 8), (4, 8), (8, 10)]
    assert np.array_equal(some, pictures[:6])
    assert np.array_equal(again, pictures)


def test_lossless_is_to_the_bit(tmp_path):
    frames = np.random.default_rng(1).integers(0, 256, (5, 31, 46, 3), np.uint8)
    lossless.write_lossless(tmp_path / "a.part", frames)
    assert np.array_equal(list(lossless.read_lossless(tmp_path / "a.part")), frames)


def finish_a_window(out):
    with unfinished_run(out, "a") as run:
        run.keep_windows(0, 1, torch.arange(2), torch.ones(1, 2))
        raise BrokenOffError


def test_what_is_finished_stays_until_all_is(tmp_path):
    out = tmp_path / "v.mp4"
    with pytest.raises(BrokenOffError), unfinished_run(out, "a"):
        raise BrokenOffError
    assert list(tmp_path.iterdir()) == []  # nothing was finished
    with pytest.raises(BrokenOffError):
        finish_a_window(out)
    with unfinished_run(out, "other settings") as run:
        assert run.is_empty()
        assert (tmp_path / ".v.mp4.unfinished" / "a").is_dir()
        with unfinished_run(out, "a") as second:
            assert second is None  # another process is at it
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_at_its_very_end_leaves_nothing(tmp_path):
    """Its video has its name already; another's unfinished run, and one of a name that is taken, stay."""
    homes = {name: tmp_path / f".{name}.unfinished" for name in ("whole.mp4", "begun.mp4", "taken.mp4", "gone.mp4")}
    for home in homes.values():
        (home / "a").mkdir(parents=True)
    (homes["whole.mp4"] / ALL_MADE).touch()
    (homes["gone.mp4"] / "a").rmdir()  # killed while it was removed
    for name in ("whole.mp4", "taken.mp4", "gone.mp4"):
        (tmp_path / name).touch()
    remove_finished(tmp_path)
    assert {name for name, home in homes.items() if home.exists()} == {"begun.mp4", "taken.mp4"}
