"""Edge heat maps against the paper's formula, pixel by pixel."""

import math
from dataclasses import replace

import pytest
import torch
from people import moving, still

from mmgt.errors import InputError
from mmgt.poses.edge_maps import BONES, edge_maps


def by_hand(poses, frame, height, width, sigma_px):
    points = poses.keypoints[frame].double() * torch.tensor([width, height])
    pixel = torch.stack(
        torch.meshgrid(torch.arange(width) + 0.5, torch.arange(height) + 0.5, indexing="xy"), dim=-1
    ).double()
    best = torch.zeros(height, width, dtype=torch.float64)
    for a, b in BONES:
        if poses.visible[frame, [a, b]].all():
            way = points[b] - points[a]
            t = (((pixel - points[a]) @ way) / way.square().sum().clamp(min=1e-12)).clamp(0, 1)
            d = (pixel - (points[a] + t[..., None] * way)).norm(dim=-1)
            best = torch.maximum(best, torch.exp(-(d**2) / sigma_px**2))
    return best.float()


@pytest.mark.parametrize(("height", "width"), [(48, 64), (33, 20)])
def test_it_is_the_formula(height, width):
    poses = moving(still(), 3)
    score = poses.score.clone()
    score[1, 4] = 0  # a wrist is hidden
    poses = replace(poses, score=score)
    maps = edge_maps(poses, height, width, sigma=0.04)
    assert maps.shape == (3, height, width)
    for frame in range(3):
        expected = by_hand(poses, frame, height, width, 0.04 * min(height, width))
        torch.testing.assert_close(maps[frame], expected, atol=1e-6, rtol=0)
    assert maps.max() > 0.9
    assert not torch.equal(maps[0], maps[1])


def test_points_outside_and_bones_of_no_length():
    poses = still()
    one_place = replace(poses, keypoints=torch.full_like(poses.keypoints, 0.5))
    (dot,) = edge_maps(one_place, 21, 21, sigma=0.1)
    assert dot[10, 10] == 1
    assert float(dot[10, 12]) == pytest.approx(math.exp(-4 / 2.1**2), abs=1e-6)
    far = replace(poses, keypoints=poses.keypoints + 5)
    assert edge_maps(far, 16, 16).max() == 0
    assert edge_maps(replace(poses, score=poses.score * 0), 16, 16).max() == 0


def test_each_face_line_and_finger_is_there_and_no_leg():
    assert len(BONES) == len(set(BONES)) == 13 + 40 + 63
    assert not {9, 10, 12, 13} & {point for bone in BONES for point in bone}


def test_bad_sizes_are_one_sentence():
    with pytest.raises(InputError, match=r"the thickness is 0\.5"):
        edge_maps(still(), 16, 16, sigma=0.5)
    with pytest.raises(InputError, match="cannot be 0x16 px"):
        edge_maps(still(), 16, 0)
