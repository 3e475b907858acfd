import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgt.windows import (
    WindowMean,
    blend_weights,
    blend_windows,
    cut_windows,
    looped_windows,
    open_windows,
    stretches,
    window_starts,
)

LENGTH = 80


@settings(deadline=None)
@given(num_frames=st.integers(1, 700), overlap=st.integers(1, 60))
def test_windows_cover_everything_and_end_at_the_last_frame(num_frames, overlap):
    starts = window_starts(num_frames, LENGTH, overlap)
    covered = {t for start in starts for t in range(start, start + LENGTH)}
    assert covered >= set(range(num_frames))
    assert max(covered) == max(num_frames, LENGTH) - 1
    assert starts == sorted(set(starts))
    assert all(a + LENGTH - b >= overlap for a, b in itertools.pairwise(starts))


@settings(deadline=None)
@given(num_frames=st.integers(1, 700), overlap=st.integers(1, 60))
def test_shares_of_a_frame_sum_to_one_and_blending_undoes_cutting(num_frames, overlap):
    starts = window_starts(num_frames, LENGTH, overlap)
    weights = blend_weights(starts, LENGTH, num_frames)
    assert (weights >= 0).all()
    frames = torch.randn(num_frames, 3, generator=torch.Generator().manual_seed(0))
    blended = blend_windows(cut_windows(frames, starts, LENGTH), starts, weights, num_frames)
    torch.testing.assert_close(blended, frames, atol=1e-5, rtol=0)


def test_neighbours_fade_into_each_other():
    """Two windows that disagree by a constant are joined by a ramp, not by a step."""
    starts = window_starts(140, LENGTH, 20)
    assert starts == [0, 60]
    windows = torch.stack([torch.zeros(LENGTH, 1), torch.ones(LENGTH, 1)])
    track = blend_windows(windows, starts, blend_weights(starts, LENGTH, 140), 140)[:, 0]
    steps = track.diff()
    assert track[59] == 0
    assert track[80] == 1
    torch.testing.assert_close(steps[59:80], torch.full((21,), 1 / 21), atol=1e-6, rtol=0)


def test_a_short_sequence_is_padded_by_its_last_frame():
    frames = torch.arange(3.0)[:, None]
    (window,) = cut_windows(frames, [0], 5)
    assert window[:, 0].tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("is_inside", [[], [0, 0], [1, 1, 1], [0, 1, 1, 0, 1], [1, 0, 0, 1, 0]])
def test_stretches_are_what_is_inside_and_do_not_touch(is_inside):
    found = stretches(np.array(is_inside, bool))
    assert [t for start, stop in found for t in range(start, stop)] == np.flatnonzero(is_inside).tolist()
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(found))


@pytest.mark.parametrize("make", [open_windows, looped_windows])
def test_the_mean_of_windows_is_that_of_each_frames_windows(make):
    """Against a plain loop over frames, in exact numbers; the sum's memory is used up, and none beside it."""
    windows, num_frames = make(30, 12, 4), 30
    values = torch.randint(-9, 9, (len(windows), 2, 12, 4, 1, 3), generator=torch.Generator().manual_seed(0)).double()
    expected = torch.empty(2, num_frames, 4, 1, 3, dtype=torch.double)
    for t in range(num_frames):
        shown = [values[k][:, window.index(t)] for k, window in enumerate(windows) if t in window]
        expected[:, t] = sum(shown) / len(shown)
    blend, total = WindowMean(windows, num_frames, torch.device("cpu")), torch.zeros_like(expected)
    for idx, value in enumerate(values):
        blend.add(total, idx, value)
    mean = blend.mean(total)
    torch.testing.assert_close(mean, expected, rtol=0, atol=1e-15)
    assert mean.data_ptr() == total.data_ptr()
