import numpy as np
import pytest
from scripted_people import crossing, detection, standing

from mmgt.errors import InputError
from mmgt.people.tracking import NOT_SEEN, first_choice, follow


def shuffled(random, tracks, shown):
    """Detections of tracks [P, T, 134, 2] in random order where shown [P, T], and each person's row [P, T]."""
    rows = np.full(shown.shape, NOT_SEEN)
    people = []
    for t in range(shown.shape[1]):
        order = random.permutation(np.flatnonzero(shown[:, t]))
        rows[order, t] = np.arange(len(order))
        people.append(detection(*tracks[order, t]))
    return people, rows


def times(num_frames, fps=25):
    return np.arange(num_frames) / fps


def one_shot(num_frames):
    return np.zeros(num_frames, dtype=int)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("chosen", [0, 1])
@pytest.mark.parametrize("missing", ["nobody", "whoever is behind", "30 %"])
def test_two_people_cross_and_the_chosen_one_is_kept(seed, chosen, missing):
    random = np.random.default_rng(seed)
    tracks = crossing(random)
    shown = np.ones((2, 100), dtype=bool)
    if missing == "whoever is behind":
        shown[seed % 2, 38:62] = False  # their boxes overlap: one is suppressed
    elif missing == "30 %":
        shown[:, 1:] = random.uniform(size=(2, 99)) > 0.3
    people, rows = shuffled(random, tracks, shown)
    start, row = first_choice(people, "left to right", chosen)
    assert (start, row) == (0, rows[chosen, 0])
    np.testing.assert_array_equal(follow(people, times(100), one_shot(100), start, row), rows[chosen])


def test_low_frame_rates_and_uneven_times():
    random = np.random.default_rng(3)
    kept = np.sort(random.choice(np.arange(1, 100), 30, replace=False))
    people, rows = shuffled(random, crossing(random)[:, kept], np.ones((2, 30), dtype=bool))
    np.testing.assert_array_equal(follow(people, kept / 25, one_shot(30), 0, rows[0, 0]), rows[0])


def test_who_left_for_long_and_comes_back_elsewhere_is_found_again():
    tracks = np.stack([standing(200, np.tile([[100, 240]], (90, 1))), standing(200, np.tile([[480, 240]], (90, 1)))])
    tracks[0, 60:] += (150, 0)
    shown = np.ones((2, 90), dtype=bool)
    shown[0, 20:60] = False
    people, rows = shuffled(np.random.default_rng(0), tracks, shown)
    found = follow(people, times(90), one_shot(90), 0, rows[0, 0])
    np.testing.assert_array_equal(found[:60], rows[0, :60])
    np.testing.assert_array_equal(found[70:], rows[0, 70:])


def test_a_false_detection_does_not_take_over():
    """Twice a second the pose network sees a second person inside of the first one."""
    track = standing(240, np.stack([np.linspace(200, 400, 60), np.full(60, 240)], axis=1))
    tracks = np.stack([track, 0.5 * track + 0.5 * track.mean(axis=1, keepdims=True)])
    shown = np.stack([np.ones(60, dtype=bool), np.arange(60) % 12 == 5])
    people, rows = shuffled(np.random.default_rng(1), tracks, shown)
    np.testing.assert_array_equal(follow(people, times(60), one_shot(60), 0, rows[0, 0]), rows[0])


def test_behind_a_cut_the_nearest_in_place_and_size_goes_on():
    before = np.stack([standing(200, np.tile([[150, 240]], (10, 1))), standing(300, np.tile([[450, 240]], (10, 1)))])
    after = np.stack([standing(220, np.tile([[240, 260]], (10, 1))), standing(420, np.tile([[260, 240]], (10, 1)))])
    tracks = np.concatenate([before, after], axis=1)
    people, rows = shuffled(np.random.default_rng(2), tracks, np.ones((2, 20), dtype=bool))
    shots = np.repeat([0, 1], 10)
    np.testing.assert_array_equal(follow(people, times(20), shots, 0, rows[0, 0]), rows[0])


def test_everybody_is_somebody_behind_a_cut():
    """However far: one person speaks, and the camera moved."""
    tracks = np.concatenate([standing(120, [[60, 80]] * 5), standing(400, [[500, 300]] * 5)])[None]
    people, rows = shuffled(np.random.default_rng(2), tracks, np.ones((1, 10), dtype=bool))
    assert (follow(people, times(10), np.repeat([0, 1], 5), 0, 0) == 0).all()
    assert (rows == 0).all()


def test_who_is_chosen_later_is_followed_backwards_too():
    tracks = crossing(np.random.default_rng(5))
    shown = np.ones((2, 100), dtype=bool)
    shown[0, :30] = shown[1, 30:50] = False
    people, rows = shuffled(np.random.default_rng(5), tracks, shown)
    start, row = first_choice(people, "largest", 1)  # two people are there from frame 50 on
    assert start == 50
    np.testing.assert_array_equal(follow(people, times(100), one_shot(100), start, row), rows[1])


def test_nobody_and_too_few_people_are_one_sentence():
    with pytest.raises(InputError, match="nobody was found in any of the 3 frames"):
        first_choice([detection()] * 3, "largest", 0)
    (person,) = standing(200, [[300, 240]])
    with pytest.raises(InputError, match="no frame shows more than 1; choose an index of 0"):
        first_choice([detection(), detection(person)], "largest", 1)
