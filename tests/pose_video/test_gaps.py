import numpy as np
import pytest

from mmgt.pose_video.gaps import HELD, INTERPOLATED, SEEN, Sightings, fill
from mmgt.poses.skeleton import LEFT_HAND

FPS = 25


def walk(frame, speed_px_s=50.0, num_frames=100, shots=None, fps=FPS):
    """A person whose points all move to the right at one speed, seen in these frames."""
    frame, times_s = np.asarray(frame), np.arange(num_frames) / fps
    points = np.zeros((len(frame), 134, 2))
    points[..., 0] = speed_px_s * times_s[frame, None] + np.arange(134)
    shots = np.zeros(num_frames, dtype=int) if shots is None else np.asarray(shots)
    return Sightings(frame, points, np.ones((len(frame), 134)), times_s, shots)


def all_but(*gaps, num_frames=100):
    return [t for t in range(num_frames) if not any(start <= t < stop for start, stop in gaps)]


def test_short_gaps_are_bridged():
    times_s = np.arange(100) / FPS
    points, score, state = fill(walk(all_but((20, 25), (60, 70))), times_s, 0.5)
    np.testing.assert_allclose(points, walk(range(100)).points_px, atol=1e-9)
    assert (score == 1).all()
    assert [np.flatnonzero(state == INTERPOLATED).tolist(), (state == HELD).any()] == [
        [*range(20, 25), *range(60, 70)],
        False,
    ]


def test_after_a_long_gap_nobody_moves_faster_than_before():
    """2 s are missing, and the person walks on: it takes all of the gap at their own pace."""
    points, _, state = fill(walk(all_but((30, 80))), np.arange(100) / FPS, 0.5)
    np.testing.assert_allclose(np.diff(points[:, 0, 0]), 2.0, atol=1e-9)
    assert (state[30:80] == INTERPOLATED).all()


def test_in_a_long_gap_who_went_little_stands_still_first():
    sightings = walk(all_but((30, 80)))
    sightings.points_px[30:, :, 0] -= 90  # comes back 12 px from where they were last, at 2 px a frame
    points, score, state = fill(sightings, np.arange(100) / FPS, 0.4)
    x = points[:, 0, 0]
    assert (x[29:70] == x[29]).all()
    np.testing.assert_allclose(np.diff(x[70:80]), 1.2, atol=1e-9)  # 12 px in max_gap's 10 frames
    assert (state[30:70] == HELD).all()
    assert (state[71:80] == INTERPOLATED).all()
    assert (score == 1).all()


def test_ends_are_held():
    points, _, state = fill(walk(range(10, 90)), np.arange(100) / FPS, 0.5)
    assert (points[:10] == points[10]).all()
    assert (points[90:] == points[89]).all()
    assert np.flatnonzero(state == HELD).tolist() == [*range(10), *range(90, 100)]


def test_nothing_is_interpolated_across_a_cut():
    shots = np.repeat([0, 1], 50)
    sightings = walk(all_but((45, 55)), shots=shots)
    sightings.points_px[45:, :, 0] += 300
    points, _, state = fill(sightings, np.arange(100) / FPS, 1.0)
    assert (points[45:50] == points[44]).all()
    assert (points[50:55] == points[55]).all()
    assert (state[45:55] == HELD).all()
    between = fill(sightings, np.array([49.5, 49.99]) / FPS, 1.0)[0]  # another rate's frames just before the cut
    assert (between == points[44]).all()


def test_a_shot_without_the_person_holds_the_last_pose():
    shots = np.repeat([0, 1, 2], [30, 20, 50])
    points, _, state = fill(walk(all_but((0, 30), (30, 50)), shots=shots), np.arange(100) / FPS, 1.0)
    assert (points[:50] == points[50]).all()
    points, _, state = fill(walk(all_but((30, 50)), shots=shots), np.arange(100) / FPS, 1.0)
    assert (points[30:50] == points[29]).all()
    assert (state[30:50] == HELD).all()


@pytest.mark.parametrize(("hidden", "is_bridged"), [(8, True), (20, False)])
def test_a_hand_that_is_hidden_for_a_moment_stays(hidden, is_bridged):
    sightings = walk(range(100))
    hand = list(LEFT_HAND)
    sightings.points_px[40 : 40 + hidden, hand] = -999  # what a network says of points that it does not see
    sightings.score[40 : 40 + hidden, hand] = 0.05
    points, score, state = fill(sightings, np.arange(100) / FPS, 0.5)
    np.testing.assert_allclose(points, walk(range(100)).points_px, atol=1e-9)
    assert (score[40 : 40 + hidden, hand] == (1 if is_bridged else 0.05)).all()
    assert (state == SEEN).all()


@pytest.mark.parametrize("fps", [12.5, 24, 29.97, 30, 60])
def test_other_rates(fps):
    num_frames = round(4 * fps)
    sightings = walk(range(num_frames), num_frames=num_frames, fps=fps)
    times_s = np.arange(96) / FPS
    points, _, state = fill(sightings, times_s, 0.5)
    np.testing.assert_allclose(points[:, 0, 0], 50 * times_s.clip(max=(num_frames - 1) / fps), atol=1e-6)
    assert (state == SEEN).all()


def test_who_is_seen_in_one_short_shot_only():
    sightings = walk([1], num_frames=30, shots=[0, 1, *[2] * 28], fps=100)
    points, _, state = fill(sightings, np.arange(8) / FPS, 0.5)
    assert (points == sightings.points_px[0]).all()
    assert (state == HELD).all()
