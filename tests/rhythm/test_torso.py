"""mmgt/rhythm/torso.py: breath, and what stands."""

import numpy as np
from avatar import avatar_pose, silence, syllables

from mmgt.poses import skeleton as sk
from mmgt.rhythm import Amplitudes, rhythm_poses


def test_hips_and_legs_stand():
    xy_px = rhythm_poses(syllables(61), avatar_pose(), seed=6).pixels.numpy().astype(np.float64)
    assert np.abs(xy_px[:, 8:14] - xy_px[0, 8:14]).max() < 1e-2


def test_shoulders_rise_13_to_17_times_a_minute_and_twice_as_far_as_the_neck():
    poses = rhythm_poses(silence(60), avatar_pose(), seed=6, amplitudes=Amplitudes(head=0))
    y_px = poses.pixels.numpy()[25:, :, 1].astype(np.float64)  # eased in; a lean hardly moves what is above the hips
    shoulders = y_px[:, [sk.RIGHT_SHOULDER, sk.LEFT_SHOULDER]].mean(axis=1)
    power = np.abs(np.fft.rfft(shoulders - shoulders.mean()))
    assert 0.2 <= np.fft.rfftfreq(len(shoulders), 1 / 25)[power.argmax()] <= 0.3
    assert 0.02 < np.ptp(shoulders) / 300 < 0.03  # of the shoulder width, from breath to breath: 8 mm
    np.testing.assert_allclose(np.ptp(shoulders), 2 * np.ptp(y_px[:, sk.NECK]), rtol=0.1)
