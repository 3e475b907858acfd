"""mmgt/rhythm/timing.py: drivers keep the bounds that they promise."""

import numpy as np
import pytest

from mmgt.rhythm.cues import SpeechCues
from mmgt.rhythm.timing import choose_beats, ease_in, pulses, sway


def test_ease_in_starts_and_ends_without_a_jerk():
    share = ease_in(51, 1.0)
    assert share[0] == 0
    assert (share[25:] == 1).all()
    assert (np.diff(share) >= 0).all()
    assert max(share[1], 1 - share[24]) < 0.01  # a straight line would go 0.04


def test_sway_is_bounded_noise_of_its_band():
    rng = np.random.default_rng(0)
    noise = np.stack([sway(2500, rng, (0.1, 0.4)) for _ in range(200)])  # 100 s each
    assert np.mean(noise**2) == pytest.approx(1, abs=0.05)
    assert np.abs(noise).max() <= 3.2
    power = (np.abs(np.fft.rfft(noise * np.hanning(2500))) ** 2).sum(axis=0)
    rates_hz = np.fft.rfftfreq(2500, 1 / 25)
    assert power[(rates_hz > 0.08) & (rates_hz < 0.42)].sum() > 0.99 * power.sum()


def test_a_pulse_has_its_height_at_its_frame_and_none_comes_from_outside():
    train = pulses(100, np.array([-3, 40, 120]), np.array([5.0, 2.0, 5.0]), 0.12)
    expected = 2 * np.exp(-0.5 * ((np.arange(100) - 40) / 3) ** 2)  # 0.12 s: 3 frames
    np.testing.assert_allclose(train, expected, atol=2e-3)


def test_beats_are_accents_apart_from_each_other_and_the_strong_are_likelier():
    frames, still = np.arange(0, 20_000, 5), np.zeros(20_002)
    strength = np.random.default_rng(1).uniform(0.1, 1.0, len(frames))
    cues = SpeechCues(still, still, still, np.array([]), frames, strength)
    accents, _ = choose_beats(cues, np.random.default_rng(0), spacing_s=0.6, share=2)  # all of them
    assert np.isin(accents - 2, frames).all()  # 80 ms after the onset
    frames = frames + 2
    assert np.diff(accents).min() >= 15
    for idx, frame in enumerate(frames):  # what is no accent stands beside a stronger one
        near = accents[np.abs(accents - frame) < 15]
        assert frame in near or strength[(near - 2) // 5].max() > strength[idx]
    chosen, heights = choose_beats(cues, np.random.default_rng(0), spacing_s=0.6, share=0.5)
    assert np.isin(chosen, accents).all()
    assert len(chosen) < 0.8 * len(accents)
    assert 0.3 <= heights.min() < heights.max() <= 1.2
    answered, strong = np.isin(accents, chosen), strength[(accents - 2) // 5] > 0.8
    assert answered[strong].mean() > 1.1 * answered[~strong].mean()
    assert np.corrcoef(heights, strength[(chosen - 2) // 5])[0, 1] > 0.3
