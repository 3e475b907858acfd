import numpy as np
import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.pose_files import load_poses
from mmgt.smga.candidates import sample_candidates, score_poses, score_table
from mmgt.smga.sample import SamplerSettings, sample_poses
from mmgt.speech.features import SpeechFeatures

SETTINGS = SamplerSettings(num_steps=3)
PERSON = load_poses(ASTRONAUT_POSE)
NUM_FRAMES = 100


def speech(beats=(10, 30, 55, 80), seed=2):
    gesture = torch.randn(NUM_FRAMES, 35, generator=torch.Generator().manual_seed(seed))
    gesture[:, 33:] = 0
    gesture[list(beats), 33] = 1
    return SpeechFeatures(gesture, None, NUM_FRAMES, 25.0, torch.ones(NUM_FRAMES))


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

    *lines, _, legend = score_table(scores).splitlines()
    assert len(lines) == 4
    (best,) = (line for line in lines if line.endswith("best"))
    assert best.startswith(f"seed {scores[int(np.argmax(totals))].seed}: {max(totals):.3f} (beats ")
    assert all(word in legend for word in ("beats", "lips", "mean", "Higher is better"))


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
