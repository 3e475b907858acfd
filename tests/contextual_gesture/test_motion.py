"""What the networks see of a person, and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from people import child, moving, still

from mmgt.contextual_gesture.config import CHANNELS, PARTS
from mmgt.contextual_gesture.motion import FOLLOW_THE_FACE, POINTS, MotionFrame
from mmgt.errors import InputError
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import LEFT_HAND, LEFT_HIP, NECK, RIGHT_HIP

PERSON = still()
TRACK = moving(PERSON, 50)
MODELLED = [*POINTS["face"], *POINTS["body"]]


def test_modelled_points_come_back_and_frame_0_is_nothing():
    frame = MotionFrame(PERSON)
    motion = frame.motion(TRACK)
    for part in PARTS:
        assert motion[part].shape == (50, CHANNELS[part])
        assert motion[part][0].abs().max() < 1e-6
        assert 0.05 < motion[part].abs().max() < 5
    back = frame.poses(motion)
    np.testing.assert_allclose(back.pixels[:, MODELLED], TRACK.pixels[:, MODELLED], atol=1e-2)
    assert torch.equal(back.score, PERSON.score.expand(50, -1))


def test_the_rest_follows():
    back = MotionFrame(PERSON).poses(MotionFrame(PERSON).motion(TRACK))
    np.testing.assert_allclose(back.pixels[0], PERSON.pixels[0], atol=1e-3)
    # the head turns as one, so the points outside of the face are where the whole head's turn has them
    np.testing.assert_allclose(back.pixels[:, FOLLOW_THE_FACE], TRACK.pixels[:, FOLLOW_THE_FACE], atol=0.05)
    shoulders = (TRACK.pixels - PERSON.pixels)[:, [2, 5]].mean(dim=1)
    for point in (NECK, RIGHT_HIP, LEFT_HIP):
        np.testing.assert_allclose(back.pixels[:, point] - PERSON.pixels[0, point], shoulders, atol=1e-2)
    assert torch.equal(back.keypoints[:, 18:24], PERSON.keypoints[:, 18:24].expand(50, -1, -1))  # feet


def test_it_is_the_same_for_a_person_of_another_size_and_place():
    smaller = replace(TRACK, keypoints=TRACK.keypoints * 0.5 + 0.2)
    here, there = MotionFrame(PERSON).motion(TRACK), MotionFrame(smaller.frames(0, 1)).motion(smaller)
    for part in PARTS:
        torch.testing.assert_close(here[part], there[part], atol=1e-4, rtol=1e-3)
    onto = MotionFrame(child()).poses(here)
    assert (onto.width_px, onto.num_frames) == (400, 50)


def test_hidden_points_do_not_move():
    score = TRACK.score.clone()
    score[10:20, 4] = 0  # a wrist, for a while
    score[:, list(LEFT_HAND)] = 0
    hidden = replace(TRACK, score=score)
    motion = MotionFrame(hidden.frames(0, 1)).motion(hidden)["body"].unflatten(1, (-1, 2))
    wrist = POINTS["body"].index(4)
    assert torch.equal(motion[10:20, wrist], motion[9:10, wrist].expand(10, -1))
    assert motion[:, [POINTS["body"].index(point) for point in LEFT_HAND]].abs().max() == 0


def test_who_shows_neither_shoulders_nor_face_is_one_sentence():
    nobody = PoseSequence(PERSON.keypoints, torch.zeros(1, 134), 25, 512, 512)
    with pytest.raises(InputError, match="neither both shoulders nor half of the face"):
        MotionFrame(nobody)
    with pytest.raises(InputError, match="50 frames; Contextual Gesture starts from one"):
        MotionFrame(TRACK)
    score = PERSON.score.clone()
    score[:, 24:92] = 0
    MotionFrame(PoseSequence(PERSON.keypoints, score, 25, 512, 512))
