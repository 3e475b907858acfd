"""Beats and lips, on motion whose numbers are known."""

import tracemalloc

import numpy as np
import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.evaluation.speech_motion import (
    _nearness,
    beat_alignment,
    beat_consistency,
    feature_loudness,
    lip_correlation,
    lip_lag,
    motion_beats,
)
from mmgt.media import read_recording
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import LOWER_INNER_LIP, UPPER_INNER_LIP
from mmgt.speech.encode import encode_speech
from mmgt.speech.features import MFCC
from mmgt.speech.loudness import frame_rms, voice_loudness

PERSON = load_poses(ASTRONAUT_POSE)
NUM_FRAMES = 100


def waving(stops, num_frames=NUM_FRAMES):
    """Everything moves to and fro and stops for a moment at these times (frames); all points are visible."""
    times = np.arange(num_frames)
    speed = 8 * np.min([1 - np.exp(-(((times + 0.5 - stop) / 4) ** 2)) for stop in stops], axis=0)
    way = np.concatenate([[0], np.cumsum(speed)[:-1]])
    xy = PERSON.pixels.repeat(num_frames, 1, 1) + torch.from_numpy(way).float()[:, None, None]
    return PoseSequence.from_pixels(xy, torch.ones(num_frames, 134), height_px=512, width_px=512)


def test_motion_that_stops_on_the_beats_scores_one_and_beside_them_what_the_definition_says():
    beats = np.array([20, 45, 70])
    assert beat_alignment(waving(beats), beats) > 0.9  # a minimum is found to half a frame
    for late in (1, 2, 4):
        d_s = (late + 0.5) / 25, (late - 0.5) / 25
        low, high = (np.exp(-(d**2) / (2 * 0.05**2)) for d in d_s)
        assert low - 1e-6 <= beat_alignment(waving(beats + late), beats) <= high + 1e-6


def test_beat_alignment_is_the_mean_over_motion_beats():
    """Three stops of which two meet a beat; beats that nobody moves on cost nothing."""
    score = beat_alignment(waving([20, 45, 70]), np.array([20, 70, 95]))
    assert 0.6 < score < 2 / 3
    assert beat_alignment(waving([20]), np.array([], int)) == 0
    assert beat_alignment(PERSON.at([0] * 50), np.array([20])) == 0


def test_beat_consistency_is_the_other_direction():
    """Sounds that nobody moves on cost here, stops without a sound do not."""
    poses = waving([20, 45, 70])
    np.testing.assert_allclose(motion_beats(poses), [20, 45, 70], atol=0.5)
    assert beat_consistency(poses, np.array([20, 45, 70])) > 0.9
    assert beat_consistency(poses, np.array([20, 70])) > 0.9
    assert 0.6 < beat_consistency(poses, np.array([20, 70, 95])) < 2 / 3
    assert beat_consistency(poses, np.array([], int)) == beat_consistency(PERSON.at([0] * 50), np.array([20])) == 0


def test_the_nearest_beat_is_found_as_by_comparing_all_with_all():
    draw = np.random.default_rng(0)
    beats = np.sort(draw.choice(3000, 400, replace=False))
    poses = waving(np.sort(draw.choice(3000, 60, replace=False)), 3000)
    motion = motion_beats(poses)

    def naive(each, others):
        return np.mean([np.exp(-((min(abs(one - others)) / 25) ** 2) / (2 * 0.05**2)) for one in each])

    assert beat_alignment(poses, beats) == pytest.approx(naive(motion, beats), abs=1e-12)
    assert beat_consistency(poses, beats) == pytest.approx(naive(beats, motion), abs=1e-12)
    assert beat_alignment(poses, draw.permutation(beats)) == beat_alignment(poses, beats)
    assert beat_alignment(poses, beats[:1]) == pytest.approx(naive(motion, beats[:1]), abs=1e-12)


def test_an_hour_of_beats_is_compared_in_little_memory():
    """Of 90,000 frames, each beat with its neighbours: all with all would take 2 GB."""
    hour = np.arange(0, 90_000, 6)
    tracemalloc.start()
    assert _nearness(hour, hour + 0.5, 25.0) == pytest.approx(np.exp(-(0.02**2) / (2 * 0.05**2)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_hidden_joints_do_not_count():
    poses = waving([20, 45, 70])
    keypoints, score = poses.keypoints.clone(), poses.score.clone()
    keypoints[::2, 4], score[:, 4] = 0, 0
    with_hidden = PoseSequence(keypoints, score, 25.0, 512, 512)
    assert beat_alignment(with_hidden, np.array([20, 45, 70])) == beat_alignment(poses, np.array([20, 45, 70]))


def test_lip_correlation_is_numpys_and_has_signs():
    loudness = np.random.default_rng(0).random(NUM_FRAMES)

    def mouth(opening):
        xy = PERSON.pixels.repeat(NUM_FRAMES, 1, 1)
        xy[:, LOWER_INNER_LIP] = xy[:, UPPER_INNER_LIP]
        xy[:, LOWER_INNER_LIP, 1] += torch.from_numpy(opening).float()
        return PoseSequence.from_pixels(xy, PERSON.score.repeat(NUM_FRAMES, 1), height_px=512, width_px=512)

    assert lip_correlation(mouth(10 * loudness), loudness) == pytest.approx(1, abs=1e-4)
    assert lip_correlation(mouth(10 - 10 * loudness), loudness) == pytest.approx(-1, abs=1e-4)
    assert lip_correlation(mouth(0 * loudness + 5), loudness) == 0
    assert lip_correlation(mouth(10 * loudness), 0 * loudness) == 0
    for late in (-3, 0, 1, 7):
        assert lip_lag(mouth(10 * np.roll(loudness, late)), loudness) == late
    assert lip_lag(mouth(0 * loudness + 5), loudness) == 0


def test_loudness_from_the_features_is_the_voices():
    recording = read_recording(SPEECH)
    features = encode_speech(recording)
    voice = voice_loudness(frame_rms(recording.mono_at(16000), features.num_frames))
    loudness = feature_loudness(features.gesture[:, MFCC].numpy())
    assert np.corrcoef(loudness, voice)[0, 1] > 0.8
