import numpy as np
import torch

from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import LEGS
from mmgt.poses.vector import TrainingFrame, denormalise, mask_legs, normalise


def test_the_affine_map_and_its_inverse():
    points = np.array([[[-200.0, 300.0, 800.0]] * 134])
    vector = normalise(points)
    np.testing.assert_allclose(vector.reshape(134, 3), [[-1, 0, 1]] * 134, atol=1e-12)
    np.testing.assert_allclose(denormalise(vector), points, atol=1e-9)


def test_legs_are_zeroed_in_normalised_space_only():
    vector = torch.rand(402) + 1
    masked = mask_legs(vector).view(134, 3)
    assert (masked[list(LEGS)] == 0).all()
    others = [k for k in range(134) if k not in LEGS]
    assert torch.equal(masked[others], vector.view(134, 3)[others])
    assert (vector > 0).all()  # the given vector is untouched


def test_a_wide_picture_is_seen_through_a_square_and_mapped_back():
    xy = torch.rand(1, 134, 2, generator=torch.Generator().manual_seed(0)) * 100 + torch.tensor([700.0, 200.0])
    pose = PoseSequence.from_pixels(xy, torch.ones(1, 134), height_px=600, width_px=1200)
    frame = TrainingFrame(pose)
    assert frame.side_px == 600
    assert 0 <= frame.corner_px[0] <= 600
    points = denormalise(frame.condition())
    assert (points[[k for k in range(134) if k not in LEGS], :2] > 0).all()
    assert (points[:, :2] < 512).all()
    back = frame.poses(normalise(points)[None])
    torch.testing.assert_close(back.pixels, pose.pixels, atol=1e-2, rtol=0)


def test_a_square_picture_is_taken_whole():
    pose = PoseSequence.from_pixels(torch.rand(1, 134, 2) * 512, torch.ones(1, 134), height_px=512, width_px=512)
    points = denormalise(TrainingFrame(pose).condition())
    others = [k for k in range(134) if k not in LEGS]
    torch.testing.assert_close(points[others, :2], pose.pixels[0, others], atol=1e-3, rtol=0)
