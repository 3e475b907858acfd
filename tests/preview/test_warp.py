"""The layered preview against a drawn person whose every pose can be drawn again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_person import SIDE_PX, as_pose, draw, drawn_pose, gesture, psnr_db
from scipy.interpolate import RBFInterpolator

from mmgt.preview import prepare_preview, preview_motion, render_frame


def whole_picture_warp(picture: np.ndarray, rest: np.ndarray, target: np.ndarray) -> np.ndarray:
    """One thin-plate spline (scipy's) over everything, the border fixed: what the layers have to beat."""
    t = np.linspace(0, SIDE_PX - 1, 8)
    border = np.array([(x, y) for x in t for y in t if x in t[[0, -1]] or y in t[[0, -1]]])
    ys, xs = np.mgrid[0:SIDE_PX:8, 0:SIDE_PX:8]
    centres = np.stack([xs.ravel(), ys.ravel()], 1) + 3.5
    unique = np.unique(np.vstack([target, border]), axis=0, return_index=True)[1]
    spline = RBFInterpolator(np.vstack([target, border])[unique], np.vstack([rest, border])[unique], smoothing=2.0)
    field = cv2.resize(spline(centres).reshape(*xs.shape, 2).astype(np.float32), (SIDE_PX, SIDE_PX))
    return cv2.remap(picture, field[..., 0], field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def test_first_frame_is_the_picture(person):
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score))
    assert preview.fallback_reason is None
    assert psnr_db(render_frame(preview, xy), picture) >= 50


def test_background_stands_still(person):
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score))
    for amount in (0.3, 1.0):
        moved = gesture(xy, amount)
        covered = np.maximum(draw(xy, person_only=True), draw(moved, person_only=True))[..., 0] > 0
        away = cv2.dilate(covered.astype(np.uint8), np.ones((25, 25))) == 0
        frame = render_frame(preview, moved)
        assert psnr_db(frame[away], picture[away]) >= 45
        assert psnr_db(frame, picture) < 30  # and the person does move


@pytest.mark.parametrize("given_mask", [False, True])
def test_layers_are_nearer_to_the_truth_than_one_spline(person, given_mask):
    picture, xy, score = person
    mask = draw(xy, person_only=True)[..., 0] / 255 if given_mask else None
    preview = prepare_preview(picture, as_pose(xy, score), mask)
    assert len(preview.arms) == 2
    seen = score > 0.3
    for amount in (0.4, 1.0):
        moved = gesture(xy, amount)
        truth = draw(moved)
        rival = whole_picture_warp(picture, xy[seen], moved[seen])
        assert psnr_db(render_frame(preview, moved), truth) > psnr_db(rival, truth) + 2


def test_a_given_mask_replaces_grabcut():
    xy, score = drawn_pose()
    mask = draw(xy, person_only=True)[..., 0] / 255.0
    preview = prepare_preview(draw(xy), as_pose(xy, score), mask)
    assert preview.body is not None
    shown = preview.body[..., 3] / 255.0
    assert shown[mask == 0].mean() < 0.02


def test_no_gap_opens_at_the_picture_border(person):
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score))
    raised = xy - np.float32([0, 12])
    frame = render_frame(preview, raised)
    bottom = frame[-4:, 150:170].astype(int)
    assert abs(bottom - picture[-4:, 150:170]).mean() < 40  # still the shirt, not the background


@pytest.mark.parametrize(("height_px", "width_px"), [(64, 64), (333, 517), (768, 1024)])
def test_any_size_and_any_pose_gives_a_picture(person, height_px, width_px):
    _, xy, score = person
    picture = cv2.resize(person[0], (width_px, height_px))
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    preview = prepare_preview(grey, as_pose(xy, score))
    rest = preview.rest_px
    rng = np.random.default_rng(0)
    weird = [
        rng.uniform(-500, 1500, rest.shape),
        np.zeros_like(rest),
        np.full_like(rest, width_px / 2),
        np.full_like(rest, 1e9),
        np.full_like(rest, np.nan),
        -rest,
        rest * [1, 0],
        rest[::-1],
    ]
    with np.errstate(all="raise", under="ignore"):
        frames = [render_frame(preview, points) for points in (rest, *weird)]
    for frame in frames:
        assert frame.shape == grey.shape
        assert frame.dtype == np.uint8
    assert psnr_db(frames[0], grey) >= 50
    still = prepare_preview(grey, as_pose(rng.uniform(0, 64, rest.shape).astype(np.float32), score))
    assert still.fallback_reason


def test_streamed_frames_are_the_same_every_time(person):
    picture, xy, score = person
    poses = as_pose(np.stack([gesture(xy, amount) for amount in (0, 0.5, 1)]), score)
    steps: list[tuple[int, int]] = []
    first = list(preview_motion(picture, as_pose(xy, score), poses, progress=lambda *step: steps.append(step)))
    cv2.setRNGSeed(99)
    second = list(preview_motion(picture, as_pose(xy, score), poses))
    assert steps == sorted(steps)  # several of (0, 3) in the preparation, where a run can be cancelled too
    assert set(steps) == {(0, 3), (1, 3), (2, 3), (3, 3)}
    assert steps.count((3, 3)) == 1
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[2])
