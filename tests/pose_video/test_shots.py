import numpy as np

from mmgt.pose_video.shots import shot_numbers, thumbnail


def shots_of(pictures):
    return shot_numbers(np.stack([thumbnail(picture) for picture in pictures])).tolist()


def scene(seed, shift=0, noise=0):
    """A picture of large patches, panned by ``shift`` px."""
    patches = np.random.default_rng(seed).integers(0, 255, (6, 12, 3)).repeat(40, axis=0).repeat(40, axis=1)
    picture = patches[:, shift : shift + 320] + np.random.default_rng(shift).normal(0, noise, (240, 320, 3))
    return picture.clip(0, 255).astype(np.uint8)


def test_a_cut_is_found_in_moving_pictures():
    pictures = [scene(1, 4 * t, 10) for t in range(12)] + [scene(2, 4 * t, 10) for t in range(12)]
    assert shots_of(pictures) == [0] * 12 + [1] * 12


def test_a_fast_pan_and_restless_pictures_are_no_cuts():
    assert set(shots_of([scene(1, 8 * t) for t in range(20)])) == {0}
    random = np.random.default_rng(0)
    assert set(shots_of([random.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(20)])) == {0}
    assert set(shots_of([np.full((9, 9, 3), value, np.uint8) for value in range(0, 250, 10)])) == {0}


def test_two_cuts_and_flat_pictures():
    assert shots_of([np.full((20, 30, 3), value, np.uint8) for value in [9] * 5 + [90] * 5 + [200] * 5]) == (
        [0] * 5 + [1] * 5 + [2] * 5
    )
    assert shots_of([np.zeros((20, 30, 3), np.uint8)]) == [0]


def test_a_flash_and_a_lost_frame_are_no_cuts():
    pictures = [scene(1, 2 * t) for t in range(20)]
    pictures[6] = np.full_like(pictures[6], 255)
    pictures[12:15] = [np.zeros_like(pictures[0])] * 3
    assert set(shots_of(pictures)) == {0}
