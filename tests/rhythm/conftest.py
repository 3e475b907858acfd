"""The two stills that speak in these tests."""

import pytest
from avatar import avatar_pose

from mmgt.assets import ASTRONAUT_POSE
from mmgt.poses import PoseSequence, load_poses


@pytest.fixture(params=["astronaut", "avatar"])
def still(request: pytest.FixtureRequest) -> PoseSequence:
    return load_poses(ASTRONAUT_POSE) if request.param == "astronaut" else avatar_pose(parted_lips=True)
