"""The two stills that speak in these tests."""

import pytest
from avatar import avatar_pose

from mmgt.assets import ASTRONAUT_POSE
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence


@pytest.fixture(params=["astronaut", "avatar"])
def still(request: pytest.FixtureRequest) -> PoseSequence:
    return load_poses(ASTRONAUT_POSE) if request.param == "astronaut" else avatar_pose(parted_lips=True)
