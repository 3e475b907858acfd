import math
from dataclasses import astuple

import numpy as np
import pytest
from video_sets import NARROW

from mmgt.mmhaa.presets import Preset
from mmgt.poses.skeleton import LIPS
from mmgt.training.clips import ClipSet
from mmgt.training.new_networks import new_mmhaa
from mmgt.training.synth import draw_clip
from mmgt.training.video_proof import UNSEEN_PEOPLE, Judge, prove_video, video_table
from mmgt.training.video_set import VideoSet
from mmgt.world import draw_frames, portrait, random_identity

NUM_FRAMES, SIDE = 5, 256


@pytest.fixture(scope="module")
def judge():
    """Of a person whose hands sink and whose lower lip goes down and up again."""
    person = portrait(UNSEEN_PEOPLE, SIDE)
    poses = person.pose.at([0] * NUM_FRAMES)
    for t, opened in enumerate((0, 0.012, 0.03, 0.02, 0)):
        poses.keypoints[t, 92:, 1] += 0.01 * t  # both hands
        lower = [LIPS.start + i for i in (7, 8, 9, 10, 11, 17, 18, 19)]
        poses.keypoints[t, lower, 1] += opened
    truth = np.stack(list(draw_frames(person.identity, poses, SIDE, SIDE)))
    return Judge(person.identity, person.picture, truth, poses)


def test_the_truth_is_without_fault(judge):
    found = judge.numbers("truth", judge.truth)
    assert found.likeness[:4] == (math.inf,) * 4
    assert found.likeness[4:] == pytest.approx((1,) * 4)
    assert max(found.colour) < 6
    assert found.mouth == pytest.approx(1)
    assert found.hand_px == 0


def test_each_fault_is_seen_in_its_number(judge):
    """Another colour; everything 6 px lower; a mouth that opens when it should close; one that stays shut."""
    tinted = judge.numbers("", (judge.truth * [1, 1, 0.8]).astype(np.uint8))
    assert all(value > 10 for value in tinted.colour)
    assert tinted.hand_px < 2
    lower = judge.numbers("", np.roll(judge.truth, 6, axis=1))
    assert lower.hand_px == pytest.approx(6, abs=1)
    assert lower.likeness[0] < 30
    assert judge.numbers("", judge.truth[[2, 0, 1, 4, 3]]).mouth < 0.5
    still = judge.numbers("", judge.truth[[0] * NUM_FRAMES])
    assert math.isnan(still.mouth)
    assert still.hand_px > 1


@pytest.mark.parametrize("person", [0, 2, 3])
def test_openings_follow_the_drawn_mouth(person):
    """Mouths of a few px, teeth and dark in them. (On the lightest skin a closed mouth's line is as far from it.)"""
    seen = portrait(UNSEEN_PEOPLE + person, SIDE)
    opened = np.array([0, 0.002, 0.005, 0.008, 0.012, 0.009, 0.004, 0.001])
    poses = seen.pose.at([0] * len(opened))
    for t, height in enumerate(opened):
        poses.keypoints[t, [LIPS.start + i for i in (7, 8, 9, 10, 11, 17, 18, 19)], 1] += height
        poses.keypoints[t, :, 0] += 0.004 * t  # the head moves as well
    truth = np.stack(list(draw_frames(seen.identity, poses, SIDE, SIDE)))
    found = Judge(seen.identity, seen.picture, truth, poses)._openings(truth)
    assert np.corrcoef(found, opened)[0, 1] > 0.9


def test_all_ways_are_compared_and_the_same_again(tmp_path):
    clips = ClipSet.write_index(tmp_path, [draw_clip(tmp_path / "c.safetensors", 3, 0, range(8))])  # held out
    videos = VideoSet(clips, 64, whole_clips=False)
    networks = new_mmhaa(NARROW, 0, with_video=True)
    for network in (networks.reference_unet, networks.video_network):
        network.eval().requires_grad_(False)
    first, again = (prove_video(networks, videos, 1, 4, Preset("ddim", 1, 1.0), progress=None) for _ in range(2))
    names = ["MM-HAA", "without masks", "masks held still", "without speech", "Preview Motion", "photo held still"]
    assert [row.name for row in first] == names
    assert str([astuple(row) for row in first]) == str([astuple(row) for row in again])
    assert first[-1].colour == pytest.approx((0, 0, 0, 0), abs=12, nan_ok=True)
    table = video_table(first, 1)
    assert table.count("| Preview Motion |") == 2
    assert random_identity(UNSEEN_PEOPLE) != random_identity(UNSEEN_PEOPLE + 1)
