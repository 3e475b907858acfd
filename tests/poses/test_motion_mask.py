import numpy as np
import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.poses.motion_mask import REGIONS, SEEN_SHARE, Margins, masks_seen, motion_masks
from mmgt.poses.skeleton import FACE, LEFT_HAND, LIPS, RIGHT_HAND


def random_poses(num_frames=4, height_px=120, width_px=200):
    generator = torch.Generator().manual_seed(3)
    xy = torch.rand(num_frames, 134, 2, generator=generator) * torch.tensor([260.0, 160.0]) - 20
    score = torch.rand(num_frames, 134, generator=generator)
    return PoseSequence.from_pixels(xy, score, height_px=height_px, width_px=width_px)


def rectangle(poses, t, points, height_px, width_px):
    """Algorithm 1 written once more, pixel by pixel."""
    seen = []
    for k in points:
        x, y = (int(v) for v in poses.pixels[t, k])
        if poses.score[t, k] >= 0.3 and x > 0 and y > 0:
            seen.append((x, y))
    mask = torch.zeros(height_px, width_px)
    if seen:
        left, right = min(x for x, _ in seen), max(x for x, _ in seen)
        top, bottom = min(y for _, y in seen), max(y for _, y in seen)
        for y in range(height_px):
            for x in range(width_px):
                mask[y, x] = float(left <= x < right and top <= y < bottom)
    return mask


def test_boxes_are_algorithm_1():
    poses = random_poses()
    masks = motion_masks(poses, 120, 200)
    for t in range(poses.num_frames):
        assert torch.equal(masks.face[t], rectangle(poses, t, FACE, 120, 200))
        assert torch.equal(masks.lips[t], rectangle(poses, t, LIPS, 120, 200))
        hands = [rectangle(poses, t, hand, 120, 200) for hand in (LEFT_HAND, RIGHT_HAND)]
        assert torch.equal(masks.hands[t], torch.maximum(*hands))


def test_background_is_everything_but_face_and_hands():
    masks = motion_masks(random_poses(), 60, 100)
    assert torch.equal(masks.background, 1 - torch.maximum(masks.face, masks.hands))
    assert (masks.face * masks.lips == masks.lips).all()  # lips lie in the face


def test_margins_grow_and_hold_covers_neighbours():
    poses = random_poses()
    plain = motion_masks(poses, 120, 200)
    grown = motion_masks(poses, 120, 200, margins=Margins(lips=0.2))
    assert (grown.lips >= plain.lips).all()
    assert torch.equal(grown.face, plain.face)
    held = motion_masks(poses, 120, 200, hold_frames=1)
    assert torch.equal(held.lips[1], plain.lips[:3].amax(dim=0))
    assert torch.equal(held.lips[3], plain.lips[2:].amax(dim=0))


def test_hidden_regions_are_black():
    poses = random_poses()
    hidden = PoseSequence(poses.keypoints, poses.score * 0, 25, 120, 200)
    masks = motion_masks(hidden, 120, 200)
    assert not masks.face.any()
    assert not masks.hands.any()
    assert masks.background.all()


def test_negative_margins_are_refused():
    with pytest.raises(InputError, match="must not be negative"):
        motion_masks(random_poses(), 8, 8, margins=Margins(face=-0.1))


def test_masks_are_seen_in_their_colours_over_the_picture():
    poses = load_poses(ASTRONAUT_POSE)
    masks = motion_masks(poses, 512, 512)
    (frame,) = masks_seen(poses, masks, 512, 512, np.full((512, 512, 3), 100, np.uint8))
    inside = {name: getattr(masks, name)[0] > 0 for name in REGIONS}
    count = sum(mask.int() for mask in inside.values())
    face, lips, beside = inside["face"] & (count == 1), inside["lips"] & (count == 2), count == 0
    assert min(face.sum(), lips.sum(), beside.sum()) > 500
    blue, red = (np.unique(frame[where.numpy()], axis=0) for where in (face, lips))
    assert blue.tolist() == [[round(100 + SEEN_SHARE * (part - 100)) for part in REGIONS["face"].colour]]
    assert red.shape == (1, 3)
    assert red[0, 0] > max(red[0, 1:]) > 0
    assert (frame[beside.numpy()] == 100).all()
