import numpy as np
import pytest
from scipy.signal import correlate

from mmgt.pose_video.smoothing import smooth

FPS, SIZE_PX = 25, 400


def sine(amplitude_px, frequency_hz, num_frames=250):
    """A point that swings along x: [T, 1, 2]."""
    x = amplitude_px * np.sin(2 * np.pi * frequency_hz * np.arange(num_frames) / FPS)
    return np.stack([x, np.zeros_like(x)], axis=-1)[:, None]


def jitter(shape, deviation_px, seed=0):
    return np.random.default_rng(seed).normal(0, deviation_px, shape)


def lag_frames(late, early):
    """By how much ``late`` trails ``early``, from the peak of their correlation, to a fraction of a frame."""
    late, early = late - late.mean(), early - early.mean()
    peak = correlate(late, early, mode="full")
    k = int(peak.argmax())
    before, top, after = peak[k - 1 : k + 2]
    return k - (len(early) - 1) + (before - after) / (2 * (before - 2 * top + after))


@pytest.mark.parametrize(("amplitude_px", "frequency_hz"), [(100, 0.5), (100, 1), (20, 1), (50, 2), (5, 1)])
def test_a_moving_point_does_not_lag_and_keeps_its_way(amplitude_px, frequency_hz):
    track = sine(amplitude_px, frequency_hz)
    noisy = track + jitter(track.shape, 1)
    smoothed = smooth(noisy, FPS, SIZE_PX)
    assert abs(lag_frames(smoothed[:, 0, 0], track[:, 0, 0])) < 0.05
    gain = (smoothed * track).sum() / (track**2).sum()
    assert gain == pytest.approx(1, abs=0.05)
    inner = slice(15, -15)
    assert (smoothed - track)[inner].std() < 0.8 * (noisy - track)[inner].std()


@pytest.mark.parametrize("deviation_px", [0.3, 1, 3])
def test_a_still_point_stops_trembling(deviation_px):
    noisy = jitter((250, 20, 2), deviation_px)
    smoothed = smooth(noisy, FPS, SIZE_PX)
    inner = slice(15, -15)
    assert smoothed[inner].std() < 0.45 * noisy.std()
    trembling, before = (np.diff(track[inner], n=2, axis=0).std() for track in (smoothed, noisy))
    assert trembling < before / 20


def test_time_backwards_gives_the_same():
    track = sine(40, 1.3) + jitter((250, 1, 2), 2)
    np.testing.assert_allclose(smooth(track[::-1], FPS, SIZE_PX)[::-1], smooth(track, FPS, SIZE_PX), atol=1e-9)


def test_constant_speed_stays_to_the_ends():
    line = np.arange(60.0)[:, None, None] * [3.0, -1.0]
    np.testing.assert_allclose(smooth(line, FPS, SIZE_PX), line, atol=1e-9)


def test_strength_counts_per_point_and_zero_changes_nothing():
    noisy = jitter((100, 3, 2), 1)
    smoothed = smooth(noisy, FPS, SIZE_PX, np.array([0, 1 / 3, 1]))
    np.testing.assert_array_equal(smoothed[:, 0], noisy[:, 0])
    assert smoothed[:, 2].std() < 0.7 * smoothed[:, 1].std() < 0.7 * noisy.std()
    np.testing.assert_array_equal(smooth(noisy, FPS, SIZE_PX, 0), noisy)


@pytest.mark.parametrize("num_frames", [0, 1, 2, 3, 5])
def test_short_tracks(num_frames):
    smoothed = smooth(jitter((num_frames, 4, 2), 1), FPS, SIZE_PX)
    assert smoothed.shape == (num_frames, 4, 2)
    assert np.isfinite(smoothed).all()


def test_lips_at_a_third_keep_their_syllables():
    syllables = sine(5, 4)  # px of a person of 400 px, 4 syllables a second
    smoothed = smooth(syllables + jitter(syllables.shape, 0.5), FPS, SIZE_PX, 1 / 3)
    assert (smoothed * syllables).sum() / (syllables**2).sum() > 0.95
