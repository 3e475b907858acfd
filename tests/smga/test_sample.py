from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmgt.errors import InputError
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import FACE, LEGS, LOWER_INNER_LIP, UPPER_INNER_LIP
from mmgt.smga.sample import SamplerSettings, check_features, sample_poses
from mmgt.windows import window_starts

FEW_STEPS = SamplerSettings(num_steps=8)


def person(height_px=512, width_px=512):
    generator = torch.Generator().manual_seed(1)
    xy = 150 + 200 * torch.rand(1, 134, 2, generator=generator)
    score = torch.rand(1, 134, generator=generator)
    return PoseSequence.from_pixels(xy, score, height_px=height_px, width_px=width_px)


def features(num_frames, seed=2):
    return torch.randn(num_frames, 35, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_frames", [1, 5, 80, 83, 160, 700])
def test_any_length(model, num_frames):
    poses = sample_poses(model, features(num_frames), person(), seed=0, settings=SamplerSettings(num_steps=2))
    assert poses.num_frames == num_frames
    assert poses.fps == 25


def test_same_seed_same_poses_other_seed_others(model):
    first, again, other = (sample_poses(model, features(90), person(), seed=s, settings=FEW_STEPS) for s in (1, 1, 2))
    assert torch.equal(first.keypoints, again.keypoints)
    assert (first.keypoints - other.keypoints).abs().max() > 0.01


def test_visibility_is_the_initial_poses_and_legs_stay(model):
    initial = person()
    poses = sample_poses(model, features(80), initial, seed=0, settings=FEW_STEPS)
    assert torch.equal(poses.score, initial.score.expand(80, -1))
    legs = poses.keypoints[:, list(LEGS)]
    torch.testing.assert_close(legs, initial.keypoints[:, list(LEGS)].expand(80, -1, -1))


def test_speech_and_guidance_matter(model):
    base = sample_poses(model, features(80), person(), seed=0, settings=FEW_STEPS)
    other_speech = sample_poses(model, features(80, seed=9), person(), seed=0, settings=FEW_STEPS)
    unguided = sample_poses(model, features(80), person(), seed=0, settings=SamplerSettings(8, guidance=0.0))
    unguided_other = sample_poses(
        model, features(80, seed=9), person(), seed=0, settings=SamplerSettings(8, guidance=0.0)
    )
    assert not torch.equal(base.keypoints, other_speech.keypoints)
    # guidance 0 is the pass without speech: the speech cannot matter
    assert torch.equal(unguided.keypoints, unguided_other.keypoints)


def test_many_windows_give_what_few_windows_give(model, monkeypatch):
    """Windows whose speech memory is made anew in each step equal those whose memory is kept."""
    kept = sample_poses(model, features(200), person(), seed=3, settings=FEW_STEPS)
    monkeypatch.setattr("mmgt.smga.sample._WINDOWS_AT_ONCE", 2)
    anew = sample_poses(model, features(200), person(), seed=3, settings=FEW_STEPS)
    torch.testing.assert_close(anew.pixels, kept.pixels, atol=0.05, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_seam_in_a_minute_of_speech(model, seed):
    """The speed at window joins is not distinguishable from the speed elsewhere (a hard switch has z = 10)."""
    num_frames = 1500
    poses = sample_poses(model, features(num_frames), person(), seed=seed, settings=FEW_STEPS)
    speed = poses.pixels.diff(dim=0).norm(dim=-1).mean(dim=1).numpy()  # [T - 1] px a frame
    starts = window_starts(num_frames, 80, FEW_STEPS.overlap)[1:]
    for joins in (starts, [s + FEW_STEPS.overlap for s in starts], range(80, num_frames - 1, 80)):
        at = np.zeros(len(speed), bool)
        at[[j - 1 for j in joins]] = True
        assert abs(speed[at].mean() - speed[~at].mean()) / speed[~at].std() < 2


def test_non_square_pictures_keep_the_persons_shape(model):
    """The same person on a wide picture moves by the same pixels."""
    square, wide = person(512, 512), person(512, 900)
    a = sample_poses(model, features(80), square, seed=0, settings=FEW_STEPS).pixels
    b = sample_poses(model, features(80), wide, seed=0, settings=FEW_STEPS).pixels
    face = list(FACE)
    size_a = (a[:, face].amax(1) - a[:, face].amin(1)).mean(0)
    size_b = (b[:, face].amax(1) - b[:, face].amin(1)).mean(0)
    torch.testing.assert_close(size_a, size_b, rtol=0.2, atol=0)


def test_lips_close_where_nobody_speaks(model):
    speaking = torch.ones(80)
    speaking[40:] = 0
    open_mouth = sample_poses(model, features(80), person(), seed=0, settings=FEW_STEPS)
    gated = sample_poses(model, features(80), person(), seed=0, speaking=speaking, settings=FEW_STEPS)
    assert torch.equal(gated.keypoints[:40], open_mouth.keypoints[:40])
    gap = (gated.pixels[40:, UPPER_INNER_LIP] - gated.pixels[40:, LOWER_INNER_LIP]).norm(dim=-1)
    assert gap.max() < 1e-3


@pytest.mark.parametrize(
    ("wanted", "given", "says"),
    [
        (35, 1059, "reads 35 .* were given; it was trained without WavLM"),
        (1059, 35, "reads 1059 .* were given; it was trained with WavLM: load a WavLM file"),
        (1059, 803, r"\[803\] were given; it was trained with an encoder that gives 1024"),
    ],
)
def test_features_of_another_width_are_one_sentence(model, wanted, given, says):
    config = replace(model.config, audio_channels=wanted)
    with pytest.raises(InputError, match=says):
        check_features(SimpleNamespace(config=config), torch.zeros(80, given))


@pytest.mark.parametrize("settings", [{"num_steps": 0}, {"overlap": 0}, {"overlap": 61}, {"eta": 1.5}])
def test_settings_out_of_range_are_one_sentence(settings):
    with pytest.raises(InputError, match="cannot be sampled"):
        SamplerSettings(**settings)
