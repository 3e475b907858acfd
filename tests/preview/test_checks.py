"""Pictures, masks and poses that cannot be cut: a fallback that says why, or an error."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from drawn_person import SIDE_PX, as_pose, gesture, open_mouth, psnr_db

from mmgt.errors import InputError
from mmgt.preview import prepare_preview, render_frame, within


@pytest.mark.parametrize(
    ("change", "reason", "still"),
    [
        ("no scores", "visible", True),
        ("outside", "outside|inside", True),
        ("collapsed", "do not form a face", True),
        ("random", "do not form a face", True),
        ("hidden shoulder", "shoulder is hidden", False),
        ("crossed shoulders", "do not fit", False),
    ],
)
def test_unusable_pose_falls_back_and_says_why(person, caplog, change, reason, still):
    picture, xy, score = (value.copy() for value in person)
    if change == "no scores":
        score[:] = 0
    elif change == "outside":
        xy += 5 * SIDE_PX
    elif change == "collapsed":
        xy[:] = 160
    elif change == "random":
        xy = np.random.default_rng(3).uniform(0, SIDE_PX, xy.shape).astype(np.float32)
    elif change == "hidden shoulder":
        score[2] = 0.1
    else:
        xy[[2, 5]] = xy[[5, 2]]
    with caplog.at_level(logging.WARNING, logger="mmgt"):
        preview = prepare_preview(picture, as_pose(xy, score))
    assert preview.fallback_reason is not None
    assert preview.fallback_reason in caplog.text
    assert any(word in preview.fallback_reason for word in reason.split("|"))
    assert preview.still == still
    frame = render_frame(preview, open_mouth(xy, 8) + np.float32([3, 0]))
    assert np.array_equal(frame, picture) == still
    border = np.ones(picture.shape[:2], bool)
    border[2:-2, 2:-2] = False
    assert psnr_db(frame[border], picture[border]) >= 30  # it holds still while the face moves


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_unbelievable_matte_falls_back_to_one_spline(person, share):
    picture, xy, score = person
    mask = np.zeros(picture.shape[:2])
    mask[: int(share * SIDE_PX)] = 1
    preview = prepare_preview(picture, as_pose(xy, score), mask)
    assert "whole picture" in preview.fallback_reason
    assert psnr_db(render_frame(preview, xy), picture) >= 50
    assert psnr_db(render_frame(preview, gesture(xy, 1.0)), picture) < 40


def test_bad_input_is_told(person):
    picture, xy, score = person
    pose = as_pose(xy, score)
    with pytest.raises(InputError, match="person mask has shape"):
        prepare_preview(picture, pose, np.ones((10, 10)))
    with pytest.raises(InputError, match="uint8 RGB"):
        prepare_preview(picture.astype(np.float32), pose)
    with pytest.raises(InputError, match="uint8 RGB"):
        prepare_preview(picture[..., 0], pose)
    with pytest.raises(InputError, match="keypoints of shape"):
        render_frame(prepare_preview(picture, pose), xy[:133])


def test_a_large_photo_is_made_smaller_with_its_mask():
    picture = np.zeros((300, 600, 3), np.uint8)
    picture[:, 300:] = 200
    mask = (picture[..., 0] > 0).astype(np.float32)
    smaller, its_mask = within(picture, mask, 200)
    assert smaller.shape == (100, 200, 3)
    np.testing.assert_allclose(its_mask, smaller[..., 0] / 200, atol=0.01)
    for side_px in (0, 600, 1024):
        same, none = within(picture, None, side_px)
        assert same is picture
        assert none is None
    with pytest.raises(InputError, match="300 x 600"):
        within(picture, np.ones((33, 77), np.float32), 200)
