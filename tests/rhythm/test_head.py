"""mmgt/rhythm/head.py: turned in depth, as one piece."""

from avatar import avatar_pose, lip_gap_px, silence

from mmgt.rhythm import Amplitudes, rhythm_poses


def test_closed_lips_do_not_open_with_the_roll_of_the_head():
    still = avatar_pose(parted_lips=True)
    poses = rhythm_poses(silence(20), still, seed=2, amplitudes=Amplitudes(head=2))
    assert lip_gap_px(poses)[5:].max() < 1e-2
