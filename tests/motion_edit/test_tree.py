import numpy as np
from people import moving, still

from mmgt.motion_edit.tree import (
    CHILDREN,
    back_and_forth,
    close_lips,
    from_bones,
    similarity,
    to_bones,
    to_complex,
    with_hidden_joints,
)


def test_every_point_but_the_neck_hangs_on_one_joint():
    assert sorted([1, *(child for children in CHILDREN.values() for child in children)]) == list(range(134))


def test_bones_round_trip():
    z, visible = to_complex(moving(still()))
    bones = to_bones(z, with_hidden_joints(z, visible))
    np.testing.assert_allclose(from_bones(bones), z, atol=1e-9)


def test_a_hidden_elbow_is_where_it_was_between_the_frames_that_show_it():
    z, visible = to_complex(moving(still()))
    hidden = visible.copy()
    hidden[10:13, 3] = False
    z[10:13, 3] = 0
    filled = with_hidden_joints(z, hidden)
    np.testing.assert_allclose(filled[11, 3], z[9, 3] + (z[13, 3] - z[9, 3]) / 2)
    hidden[:, 3] = False
    np.testing.assert_allclose(with_hidden_joints(z, hidden)[:, 3], (z[:, 2] + z[:, 4]) / 2)


def test_a_similarity_is_found_again_without_the_points_of_no_weight():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(4, 7)) + 1j * rng.normal(size=(4, 7))
    target = (2 - 1j) * source + 5j
    target[:, 3] = 99
    weights = np.ones((4, 7))
    weights[:, 3] = weights[2] = 0
    m, b, known = similarity(source, target, weights)
    np.testing.assert_allclose(m[known], 2 - 1j)
    np.testing.assert_allclose(b[known], 5j)
    assert known.tolist() == [True, True, False, True]


def test_closed_lips_meet():
    z, _ = to_complex(moving(still()))
    closed = close_lips(z, 1.0)
    np.testing.assert_allclose(closed[:, 85:88], closed[:, [91, 90, 89]])
    assert np.array_equal(close_lips(z, np.zeros(len(z))), z)


def test_a_short_track_plays_forwards_and_backwards():
    assert back_and_forth(np.arange(8), 3).tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert back_and_forth(np.arange(3), 1).tolist() == [0, 0, 0]
