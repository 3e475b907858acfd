import numpy as np
import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.errors import InputError
from mmgt.media import read_recording
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.skeleton import LOWER_INNER_LIP, UPPER_INNER_LIP
from mmgt.smga import candidates
from mmgt.smga.candidates import beat_alignment, lip_correlation, sample_candidates, score_poses, score_table
from mmgt.smga.sample import SamplerSettings, sample_poses
from mmgt.speech.encode import encode_speech
from mmgt.speech.features import SpeechFeatures
from mmgt.speech.loudness import frame_rms, voice_loudness

SETTINGS = SamplerSettings(num_steps=3)
PERSON = load_poses(ASTRONAUT_POSE)
NUM_FRAMES = 100


def speech(beats=(10, 30, 55, 80), seed=2):
    gesture = torch.randn(NUM_FRAMES, 35, generator=torch.Generator().manual_seed(seed))
    gesture[:, 33:] = 0
    gesture[list(beats), 33] = 1
    return SpeechFeatures(gesture, None, NUM_FRAMES, 25.0, torch.ones(NUM_FRAMES))


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


def test_loudness_from_the_features_is_the_voices():
    recording = read_recording(SPEECH)
    features = encode_speech(recording)
    voice = voice_loudness(frame_rms(recording.mono_at(16000), features.num_frames))
    loudness = candidates._loudness(features.gesture[:, candidates.MFCC].numpy())
    assert np.corrcoef(loudness, voice)[0, 1] > 0.8


def test_one_candidate_is_plain_sampling(model):
    heard = speech()
    plain = sample_poses(model, heard.gesture, PERSON, seed=5, speaking=heard.speaking, settings=SETTINGS)
    poses, scores = sample_candidates(model, heard, PERSON, seed=5, settings=SETTINGS)
    assert torch.equal(poses.keypoints, plain.keypoints)
    assert [score.seed for score in scores] == [5]


def test_the_best_of_several_seeds_is_returned_with_all_scores(model):
    heard, steps = speech(), []
    poses, scores = sample_candidates(
        model, heard, PERSON, seed=2**64 - 2, num_candidates=4, settings=SETTINGS, progress=lambda *s: steps.append(s)
    )
    assert [score.seed for score in scores] == [2**64 - 2, 2**64 - 1, 0, 1]
    assert steps == [(i, 12) for i in range(1, 13)]
    each = [
        sample_poses(model, heard.gesture, PERSON, seed=s.seed, speaking=heard.speaking, settings=SETTINGS)
        for s in scores
    ]
    assert [score_poses(p, heard, s.seed) for p, s in zip(each, scores, strict=True)] == scores
    totals = [(s.beat_alignment + s.lip_correlation) / 2 for s in scores]
    assert len({round(total, 6) for total in totals}) == 4
    assert torch.equal(poses.keypoints, each[int(np.argmax(totals))].keypoints)
    again, _ = sample_candidates(model, heard, PERSON, seed=2**64 - 2, num_candidates=4, settings=SETTINGS)
    assert torch.equal(again.keypoints, poses.keypoints)

    table = score_table(scores).splitlines()
    assert len(table) == 5
    (best,) = (line for line in table if line.endswith("best"))
    assert best.split()[0] == str(scores[int(np.argmax(totals))].seed)


def test_a_cancel_in_a_later_candidate_ends_them_all(model):
    steps = []

    def progress(step, num_steps):
        steps.append(step)
        if step == SETTINGS.num_steps + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample_candidates(model, speech(), PERSON, seed=0, num_candidates=3, settings=SETTINGS, progress=progress)
    assert steps == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [0, 17])
def test_another_number_of_candidates_is_one_sentence(model, number):
    with pytest.raises(InputError, match=f"cannot be {number} candidates; sample 1 to 16"):
        sample_candidates(model, speech(), PERSON, seed=0, num_candidates=number)


def test_features_without_onsets_are_one_sentence(model):
    heard = SpeechFeatures(torch.zeros(80, 1024), None, 80, 25.0, torch.ones(80))
    with pytest.raises(InputError, match="1024 wide and hold no onsets"):
        score_poses(PERSON.at([0] * 80), heard, 0)
