"""Lips, lids and jaw: what moves, how far, and what is drawn."""

from __future__ import annotations

import numpy as np
from drawn_person import SKIN, as_pose, open_mouth, turned

from mmgt.poses.skeleton import FACE, LOWER_INNER_LIP, UPPER_INNER_LIP
from mmgt.preview import prepare_preview, render_frame
from mmgt.preview.face import eye_closing, face_targets


def test_mouth_opens_dark_and_no_wider_than_a_mouth(person):
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score))
    opened = open_mouth(xy, 8.0)
    x, y = np.rint(0.5 * (opened[UPPER_INNER_LIP] + opened[LOWER_INNER_LIP])).astype(int)
    inside = (slice(y - 1, y + 2), slice(x - 2, x + 3))
    frame = render_frame(preview, opened)
    assert frame[inside].mean() < 0.6 * picture[inside].mean()
    assert frame[inside].mean() < 0.6 * render_frame(preview, xy)[inside].mean()
    targets, *_ = face_targets(xy[FACE.start : FACE.stop], open_mouth(xy, 60.0)[FACE.start : FACE.stop])
    assert 5 < targets[66, 1] - targets[62, 1] < 0.5 * (xy[78, 0] - xy[72, 0])


def test_blink_covers_the_eyes(person):
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score))
    shut = xy.copy()
    for up, low in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shut[24 + up] = shut[24 + low]
    assert eye_closing(xy[FACE.start : FACE.stop], shut[FACE.start : FACE.stop]).tolist() == [1.0, 1.0]
    assert eye_closing(xy[FACE.start : FACE.stop], 1.3 * xy[FACE.start : FACE.stop]).tolist() == [0.0, 0.0]
    frame, (x, y) = render_frame(preview, shut), np.rint(xy[60:66].mean(axis=0)).astype(int)
    white, lid = picture[y, x].astype(int), frame[y - 1, x].astype(int)
    assert white.min() > 220
    assert abs(lid - SKIN).max() < 25


def test_jittering_face_points_do_not_shake_the_head(person):
    _, xy, _ = person
    rest = xy[FACE.start : FACE.stop]
    noise = np.random.default_rng(0).normal(0, 1.0, rest.shape)
    targets, *_ = face_targets(rest, rest + noise)
    still = [*range(17), *range(27, 36)]
    assert np.abs(targets - rest)[still].mean() < 0.5 * np.abs(noise)[still].mean()


def test_a_moved_head_is_followed_exactly(person):
    _, xy, _ = person
    rest = xy[FACE.start : FACE.stop].astype(np.float64)
    moved = 1.1 * turned(rest, np.array([160.0, 140.0]), 8) + [5, -3]
    targets, *_ = face_targets(rest, moved)
    np.testing.assert_allclose(targets, moved, atol=1e-9)
