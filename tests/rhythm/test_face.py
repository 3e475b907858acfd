"""mmgt/rhythm/face.py: lips close with the sound, eyes blink."""

from __future__ import annotations

import numpy as np
import pytest
from avatar import distance, lip_gap_px, syllables

from mmgt.rhythm import rhythm_poses
from mmgt.speech.recording import Recording


@pytest.mark.parametrize("noise_rms", [0.0, 2e-4])  # digital silence; -74 dBFS of room noise
def test_lips_close_within_120_ms_of_silence_and_stay_closed(still, noise_rms):
    recording = syllables(9)
    noise = np.random.default_rng(0).normal(0, noise_rms, recording.samples.shape).astype(np.float32)
    poses = rhythm_poses(Recording(recording.samples + noise, 16_000), still, seed=5)
    xy_px, gap = poses.pixels.numpy(), lip_gap_px(poses)
    for end in (50, 125, 200):  # speech stops at 2, 5 and 8 s
        closed = slice(end + 3, end + 22)
        for upper, lower in ((85, 91), (86, 90), (87, 89)):
            assert distance(xy_px[closed], upper, lower).max() < 1e-2
        assert gap[end - 10 : end].max() > 5


def test_eyes_blink_two_to_seven_seconds_apart_and_reopen(still):
    poses = rhythm_poses(syllables(61), still, seed=4)
    xy_px = poses.pixels.numpy()
    shut = (
        np.maximum(
            *(
                distance(xy_px, upper, lower) / distance(xy_px[:1], upper, lower)
                for upper, lower in ((61, 65), (67, 71))
            )
        )
        < 0.3
    )
    starts = np.flatnonzero(shut[1:] & ~shut[:-1])
    assert 8 <= len(starts) <= 30
    assert np.diff(starts).min() >= 1.5 * 25
    assert np.diff(starts).max() <= 7.5 * 25
    assert shut.mean() < 0.08
