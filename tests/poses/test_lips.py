import pytest
import torch

from mmgt.errors import InputError
from mmgt.poses import PoseSequence
from mmgt.poses.lips import close_lips_in_silence
from mmgt.poses.skeleton import INNER_LIPS, LIPS, LOWER_INNER_LIP, UPPER_INNER_LIP


def talking(num_frames):
    generator = torch.Generator().manual_seed(0)
    xy_px = 100 + 300 * torch.rand(num_frames, 134, 2, generator=generator)
    return PoseSequence.from_pixels(xy_px, torch.ones(num_frames, 134), height_px=512, width_px=512)


def test_lips_meet_in_silence_and_stay_in_speech():
    poses = talking(20)
    speaking = torch.zeros(20)
    speaking[10:15] = 1
    closed = close_lips_in_silence(poses, speaking)
    assert torch.equal(closed.keypoints[10:15], poses.keypoints[10:15])
    silent = [*range(5, 10), *range(15, 20)]
    gap = closed.keypoints[silent, UPPER_INNER_LIP] - closed.keypoints[silent, LOWER_INNER_LIP]
    torch.testing.assert_close(gap, torch.zeros_like(gap), atol=1e-6, rtol=0)
    # all columns meet in their own middle: nothing but lips moves, and the mouth does not wander
    others = [k for k in range(134) if k not in LIPS]
    assert torch.equal(closed.keypoints[:, others], poses.keypoints[:, others])
    inner = list(INNER_LIPS)
    torch.testing.assert_close(closed.keypoints[:, inner].mean(1), poses.keypoints[:, inner].mean(1))


def test_half_speaking_closes_half():
    poses = talking(20)
    half = close_lips_in_silence(poses, torch.full((20,), 0.5)).keypoints
    gap, before = [(k[5:, UPPER_INNER_LIP] - k[5:, LOWER_INNER_LIP]) for k in (half, poses.keypoints)]
    torch.testing.assert_close(gap, before / 2, atol=1e-6, rtol=0)


def test_the_initial_pose_keeps_its_lips():
    poses = talking(20)
    closed = close_lips_in_silence(poses, torch.zeros(20))
    assert torch.equal(closed.keypoints[0], poses.keypoints[0])


def test_another_length_is_one_sentence():
    with pytest.raises(InputError, match="the poses last 20 frames, but the speech 21"):
        close_lips_in_silence(talking(20), torch.zeros(21))
