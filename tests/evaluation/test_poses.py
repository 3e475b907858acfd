"""Numbers of motion: closed forms, extremes, growing noise, and what they must not depend on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.evaluation.poses import (
    POINTS,
    correct_keypoints,
    correct_parameters,
    derivative_error,
    diversity,
    in_step,
    motion_measures,
    position_error,
    principal,
    range_of_motion,
    shoulder_width_px,
)
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import LEFT_SHOULDER, NOSE, RIGHT_SHOULDER

PERSON = load_poses(ASTRONAUT_POSE)
NUM_FRAMES = 80
UNIT = shoulder_width_px(PERSON)


def moving(seed=0, num_frames=NUM_FRAMES, size=4.0):
    """The portrait with points that sway, each by itself; the shoulders stay."""
    draw = np.random.default_rng(seed)
    times = np.arange(num_frames)[:, None, None] / 25
    way = size * np.sin(2 * np.pi * draw.uniform(0.3, 1.5, (1, 134, 2)) * times + draw.uniform(0, 6, (1, 134, 2)))
    way[:, [LEFT_SHOULDER, RIGHT_SHOULDER]] = 0
    return shifted(torch.from_numpy(way).float())


def shifted(way_px, poses=PERSON):
    """Poses with way_px [T, 134, 2] added."""
    xy = poses.pixels + way_px
    return PoseSequence.from_pixels(xy, poses.score.expand(len(xy), -1), height_px=512, width_px=512)


def noisy(poses, sigma_px, seed=1):
    noise = torch.randn(poses.num_frames, 134, 2, generator=torch.Generator().manual_seed(seed))
    noise[:, [LEFT_SHOULDER, RIGHT_SHOULDER]] = 0
    return shifted(sigma_px * noise, poses)


def test_errors_of_a_known_shift():
    motion = moving()
    way = torch.zeros(NUM_FRAMES, 134, 2)
    way[..., 0], way[..., 1] = 0.06 * UNIT, 0.08 * UNIT  # 0.1 of the shoulders' width in all
    other = shifted(way, motion)
    assert position_error(other, motion)[0] == pytest.approx(0.1, abs=1e-4)
    assert correct_keypoints(other, motion, 0.09)[0] == 0
    assert correct_keypoints(other, motion, 0.11)[0] == 1
    assert correct_parameters(other, motion, 0.07)[0] == 0.5  # x is within, y is not
    for order in (1, 2, 3):
        assert derivative_error(other, motion, order)[0] == pytest.approx(0, abs=0.3)  # float32's rounding, by fps^3


def test_derivatives_of_known_motions():
    """x = s v t, s a t^2 / 2, s j t^3 / 6 against a still: exactly v, a, j."""
    seconds = torch.arange(10, dtype=torch.float64) / 25
    still = PERSON.at([0] * 10)
    for order, scale in ((1, 1), (2, 2), (3, 6)):
        way = torch.zeros(10, 134, 2, dtype=torch.float64)
        way[..., 0] = (UNIT * 30 * seconds**order / scale)[:, None]
        assert derivative_error(shifted(way, still), still, order)[0] == pytest.approx(30, rel=0.01)


def test_hidden_points_do_not_count_as_distance_but_as_not_correct():
    motion = moving()
    score = motion.score.clone()
    score[:, NOSE] = 0
    hidden = replace(motion, score=score)
    assert position_error(hidden, motion)[0] == 0
    num_seen = correct_keypoints(motion, motion, 0.1)[1]
    assert correct_keypoints(hidden, motion, 0.1) == (pytest.approx(1 - NUM_FRAMES / num_seen), num_seen)
    assert correct_keypoints(motion, hidden, 0.1) == (1, num_seen - NUM_FRAMES)


def test_a_motion_against_itself_is_the_extreme_and_noise_is_worse_and_worse():
    motion = moving()
    rows = {row.name: row for row in motion_measures(motion, motion)}
    best = {"lower": 0, "higher": 1}
    judged = {name: row for name, row in rows.items() if row.better != "none"}
    assert len(judged) == 1 + 4 + 3 + 1
    for name, row in judged.items():
        assert row.value == pytest.approx(best[row.better], abs=1e-6), name
    levels = [{row.name: row.value for row in motion_measures(noisy(motion, px), motion)} for px in (1, 5, 25)]
    for name, row in judged.items():
        values = [row.value, *(level[name] for level in levels)]
        assert values == sorted(values, reverse=row.better == "higher"), name
        assert len(set(values)) > 2, name


def test_neither_picture_size_nor_place_matter():
    motion, other = moving(), noisy(moving(), 5)
    rows = motion_measures(other, motion)
    larger = motion_measures(other.sized(1024, 1024), motion.sized(768, 768))
    place = torch.full((1, 134, 2), 37.0)
    elsewhere = motion_measures(shifted(place, other), shifted(place, motion))
    for row, *others in zip(rows, larger, elsewhere, strict=True):
        for same in others:
            assert same.value == pytest.approx(row.value, rel=1e-3, abs=1e-5), row.name


def test_a_person_elsewhere_and_larger_has_the_same_distribution():
    motion, other = moving(), noisy(moving(), 5)
    moved = PoseSequence(0.5 * other.keypoints + 0.2, other.score, 25.0, 512, 512)
    both = [{row.name: row.value for row in motion_measures(each, motion)} for each in (other, moved)]
    for name in ("pose Frechet distance", "diversity of poses", "range of motion"):
        assert both[1][name] == pytest.approx(both[0][name], rel=1e-3), name
    assert both[1]["position error"] > both[0]["position error"] + 0.1


def test_principal_components_keep_what_varies_most():
    draw = np.random.default_rng(0)
    samples = draw.normal(size=(300, 50)) * np.r_[np.full(40, 2.0), np.full(10, 1e-3)]
    own, other = principal(samples, samples[:10])
    assert own.shape == (300, 32)
    np.testing.assert_allclose(own[:10], other)
    variances = np.linalg.eigvalsh(np.cov(samples, rowvar=False))[::-1][:32]
    np.testing.assert_allclose(own.var(axis=0, ddof=1), variances, rtol=1e-9)


def test_diversity_is_the_mean_over_all_pairs():
    samples = np.random.default_rng(0).normal(size=(9, 5))
    pairs = [np.abs(samples[i] - samples[j]).mean() for i in range(9) for j in range(i)]
    assert diversity(samples) == pytest.approx(np.mean(pairs))
    assert diversity(samples[::-1]) == pytest.approx(diversity(samples))
    assert diversity(np.ones((4, 5))) == 0
    assert np.isnan(diversity(samples[:1]))


def test_range_of_motion_is_the_boxes_diagonal():
    way = torch.zeros(3, 134, 2)
    way[1] = torch.tensor([0.3 * UNIT, 0.4 * UNIT])
    moved, num = range_of_motion(shifted(way))
    assert moved == pytest.approx(0.5, abs=1e-4)
    assert num == int(PERSON.visible[0, POINTS].sum())
    assert range_of_motion(PERSON.at([0, 0]))[0] == 0


def test_motions_of_other_rates_and_lengths_are_compared_over_the_shorter():
    motion = moving()
    first, second = in_step(motion, motion.at_fps(50).frames(0, 100))
    assert (first.num_frames, second.num_frames, second.fps) == (50, 50, 25)
    assert position_error(motion, motion.at_fps(50))[0] == pytest.approx(0, abs=1e-5)
    with pytest.raises(InputError, match="the same aspect"):
        in_step(motion, motion.sized(512, 300))


def test_short_and_shoulderless_motions():
    assert "pose Frechet distance" not in {row.name for row in motion_measures(moving(num_frames=63), moving())}
    assert [row.name for row in motion_measures(PERSON)] == ["range of motion"]
    score = PERSON.score.clone()
    score[:, LEFT_SHOULDER] = 0
    with pytest.raises(InputError, match="shows both shoulders"):
        motion_measures(replace(PERSON, score=score))
