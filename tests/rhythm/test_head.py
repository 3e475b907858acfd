"""mmgt/rhythm/head.py: turned in depth, as one piece."""

import numpy as np
from avatar import avatar_pose, lip_gap_px, silence

from mmgt.assets import SPEECH
from mmgt.media import read_recording
from mmgt.rhythm import Amplitudes, rhythm_poses
from mmgt.rhythm.cues import hear_speech
from mmgt.rhythm.head import head_turns


def test_closed_lips_do_not_open_with_the_roll_of_the_head():
    still = avatar_pose(parted_lips=True)
    poses = rhythm_poses(silence(20), still, seed=2, amplitudes=Amplitudes(head=2))
    assert lip_gap_px(poses)[5:].max() < 1e-2


def test_turns_stay_within_their_limit_at_every_amplitude():
    cues = hear_speech(read_recording(SPEECH))
    natural, doubled = (head_turns(cues, np.random.default_rng(0), amplitude) for amplitude in (1, 2))
    assert np.abs(natural).max() < np.abs(doubled).max() < 14
    still = head_turns(cues, np.random.default_rng(0), 0)
    assert not still.any()
