"""mmgt/rhythm/person.py: movement is measured in sizes of the person."""

from dataclasses import replace

import pytest
import torch
from avatar import avatar_pose, silence, syllables

from mmgt.errors import InputError
from mmgt.rhythm import rhythm_poses


def test_motion_belongs_to_the_size_of_the_person_not_of_the_picture():
    recording = syllables(4)
    large = avatar_pose(eyes_px=60, centre_px=(320, 180))
    small = avatar_pose(eyes_px=30, centre_px=(1500, 90), width_px=1920, height_px=480)
    paths = [rhythm_poses(recording, still, seed=1).pixels.double() - still.pixels.double() for still in (large, small)]
    torch.testing.assert_close(paths[0] / 60, paths[1] / 30, atol=2e-3, rtol=0)


def test_neither_head_nor_shoulders_is_an_error():
    still = avatar_pose()
    with pytest.raises(InputError, match="neither a head nor two shoulders"):
        rhythm_poses(silence(1), replace(still, score=0 * still.score), seed=0)
