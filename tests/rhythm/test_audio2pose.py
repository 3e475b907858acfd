"""mmgt/rhythm/audio2pose.py: every recording and still, seeds, amplitudes, hidden parts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from avatar import avatar_pose, click, lip_gap_px, silence, syllables

from mmgt.errors import InputError
from mmgt.poses import skeleton as sk
from mmgt.rhythm import Amplitudes, rhythm_poses
from mmgt.speech.recording import Recording


@pytest.mark.parametrize(
    ("recording", "num_frames"),
    [
        (syllables(0.2), 5),
        (syllables(3.2), 80),
        (syllables(3.3, 44_100), 83),
        (syllables(6.39, 22_050), 160),
        (syllables(61), 1525),
        (silence(3.2), 80),
        (click(), 80),
        (syllables(5, 8_000), 125),
        (syllables(4.01, 96_000, channels=2), 101),
        (Recording(np.ones((1, 1), np.float32), 96_000), 1),
        (Recording(np.ones((1, 48_000), np.float32), 16_000), 75),
    ],
    ids=["0.2s", "3.2s", "3.3s", "6.39s", "61s", "silence", "click", "8kHz", "96kHz-stereo", "one-sample", "dc"],
)
def test_every_recording_gives_finite_poses_that_begin_with_the_still(recording, num_frames, still):
    poses = rhythm_poses(recording, still, seed=3, amplitudes=Amplitudes(2, 2, 2, 2, 2))
    assert poses.keypoints.shape == (num_frames, 134, 2)
    assert poses.fps == 25
    assert (poses.height_px, poses.width_px) == (still.height_px, still.width_px)
    assert torch.equal(poses.score, still.score.expand(num_frames, 134))
    assert torch.isfinite(poses.keypoints).all()
    assert (poses.pixels[0] - still.pixels[0]).abs().max() < 1e-3


@pytest.mark.parametrize(
    "recording",
    [silence(8), click(), Recording(np.random.default_rng(0).normal(0, 0.02, (1, 128_000)).astype(np.float32), 16_000)],
    ids=["silence", "click", "hiss"],
)
def test_nobody_speaks_so_lips_stay_closed_but_the_person_lives(recording, still):
    poses = rhythm_poses(recording, still, seed=1)
    assert lip_gap_px(poses)[5:].max() < 1e-2
    xy_px = poses.pixels.numpy()
    assert np.ptp(xy_px[:, sk.NOSE], axis=0).max() > 1.0  # sway
    assert np.ptp(xy_px[:, sk.RIGHT_SHOULDER, 1]) > 1.0  # breathing


def test_same_seed_repeats_other_seeds_gesture_differently_and_lips_belong_to_the_sound():
    recording, still = syllables(8), avatar_pose()
    first, again, other = (rhythm_poses(recording, still, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.keypoints, again.keypoints)
    apart = (first.pixels - other.pixels).norm(dim=-1).mean(dim=0)  # [134]
    assert apart[[sk.RIGHT_WRIST, sk.LEFT_WRIST]].max() > 5
    assert apart[sk.NOSE] > 3
    gaps = [lip_gap_px(poses) for poses in (first, other)]
    assert np.abs(gaps[0] - gaps[1]).max() < 0.03 * gaps[0].max()


@pytest.mark.parametrize(
    ("region", "points"),
    [
        ("lips", [sk.LOWER_INNER_LIP, 32]),
        ("face", [43, 61]),
        ("head", [sk.NOSE, 54]),
        ("hands", [sk.LEFT_WRIST, 120]),
        ("body", [sk.NECK, sk.LEFT_SHOULDER]),
    ],
)
def test_amplitude_scales_its_own_region_alone(region, points):
    recording, still = syllables(8), avatar_pose()
    none = dict.fromkeys(("body", "head", "hands", "face", "lips"), 0.0)

    def largest_way(amplitude: float) -> torch.Tensor:  # [134] px
        poses = rhythm_poses(recording, still, seed=1, amplitudes=Amplitudes(**{**none, region: amplitude}))
        return (poses.pixels - still.pixels).abs().amax(dim=(0, 2))

    assert largest_way(0.0).max() < 1e-3
    way = [largest_way(amplitude) for amplitude in (0.5, 1.0)]
    assert (way[1][points] > 1.3 * way[0][points]).all()
    assert (way[0][points] > 0.3).all()
    if region in ("lips", "face", "hands"):
        assert way[1][[sk.NECK, sk.NOSE, sk.RIGHT_SHOULDER, sk.RIGHT_EAR]].max() < 1e-3


def test_hidden_parts_stay_with_the_part_that_carries_them():
    whole = avatar_pose()
    score = whole.score.clone()
    score[:, 24:] = 0
    keypoints = whole.keypoints * (score > 0)[..., None]  # face and hands at (0, 0), as detectors leave them
    still = replace(whole, keypoints=keypoints, score=score)
    poses = rhythm_poses(syllables(8), still, seed=1, amplitudes=Amplitudes(body=0))
    way = poses.pixels - still.pixels  # [T, 134, 2]
    for parent, points in ((sk.NOSE, sk.FACE), (sk.LEFT_WRIST, sk.LEFT_HAND), (sk.RIGHT_WRIST, sk.RIGHT_HAND)):
        assert way[:, parent].abs().max() > 1
        assert (way[:, list(points)] - way[:, [parent]]).abs().max() < 2e-3


def test_bad_values_say_what_is_allowed():
    still, recording = avatar_pose(), silence(1)
    for value in (-0.1, 2.1, math.nan):
        with pytest.raises(InputError, match=r"head.*between 0"):
            Amplitudes(head=value)
    with pytest.raises(InputError, match="2 frames"):
        rhythm_poses(
            recording, replace(still, keypoints=still.keypoints.repeat(2, 1, 1), score=still.score.repeat(2, 1)), seed=0
        )
    with pytest.raises(InputError, match="seed is -1"):
        rhythm_poses(recording, still, seed=-1)
