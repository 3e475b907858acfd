"""mmgt/rhythm/arms.py: bones keep their length, strokes land on onsets."""

import numpy as np
from avatar import avatar_pose, distance, silence, syllables

from mmgt.poses import skeleton as sk
from mmgt.rhythm import Amplitudes, rhythm_poses


def test_limbs_keep_their_length_and_nothing_jumps_or_drifts():
    still = avatar_pose()
    shoulder_px = float(distance(still.pixels[0].numpy(), sk.RIGHT_SHOULDER, sk.LEFT_SHOULDER))
    poses = rhythm_poses(syllables(61), still, seed=6)
    xy_px = poses.pixels.numpy().astype(np.float64)
    hands = [
        (hand.start + first, hand.start + second)
        for hand in (sk.LEFT_HAND, sk.RIGHT_HAND)
        for first, second in sk.HAND_EDGES
        if first
    ]
    for first, second in [(2, 3), (3, 4), (5, 6), (6, 7), (2, 5), *hands]:
        length = distance(xy_px, first, second)
        assert np.abs(length / length[0] - 1).max() < 0.01, (first, second)
    step = np.hypot(*np.moveaxis(np.diff(xy_px, axis=0), -1, 0)) / shoulder_px  # [T-1, 134]
    assert step[:, :18].max() < 0.08  # joints: 350 mm x 0.08 x 25 = 0.7 m/s
    assert step.max() < 0.2  # finger tips
    assert step[0].max() < 0.03  # sets off gently
    assert np.abs(xy_px - xy_px[0]).max() < shoulder_px
    early, late = xy_px[:750].mean(axis=0), xy_px[775:].mean(axis=0)
    assert np.abs(early - late).max() < 0.15 * shoulder_px


def test_strokes_land_on_onsets_and_hands_rest_in_silence():
    """One syllable after 2 s of silence: the busier hand is lowest, after its lift, within two frames of the onset."""
    recording = silence(6)
    recording.samples[0, 32_000:38_400] = syllables(0.4).samples[0]
    still = avatar_pose()
    landed = 0
    for seed in range(12):
        xy_px = rhythm_poses(recording, still, seed=seed, amplitudes=Amplitudes(body=0)).pixels.numpy()
        both = xy_px[:, [sk.RIGHT_WRIST, sk.LEFT_WRIST]]
        assert np.abs(both[140:] - both[0]).max() < 6
        wrists = both[..., 1]
        wrist = wrists[:, np.ptp(wrists, axis=0).argmax()]
        lift = 40 + wrist[40:50].argmin()
        stroke = lift + wrist[lift:60].argmax()
        landed += wrist[stroke] - wrist[lift] > 10 and abs(stroke - 50) <= 2
    assert landed >= 6  # the other seeds let this syllable pass
