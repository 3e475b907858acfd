"""The layered preview against a drawn person whose every pose can be drawn again."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator

from mmgt.errors import InputError
from mmgt.poses import PoseSequence
from mmgt.preview.matte import person_matte
from mmgt.preview.warp import (
    evaluate_spline,
    eye_closing,
    face_targets,
    prepare_preview,
    preview_motion,
    render_frame,
    thin_plate,
)
from mmgt.skeleton import FACE, LEFT_HAND, LOWER_INNER_LIP, NUM_KEYPOINTS, RIGHT_HAND, UPPER_INNER_LIP

SIDE_PX = 320
SKIN, SLEEVE, SHIRT, HAIR = (225, 180, 150), (190, 70, 60), (60, 90, 160), (60, 40, 30)


def drawn_pose() -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [134, 2] in pixels and scores [134] of a frontal person with both arms in sight."""
    xy, score = np.zeros((NUM_KEYPOINTS, 2)), np.zeros(NUM_KEYPOINTS)
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([30 * np.cos(angle), 40 * np.sin(angle)], 1)
    brows = np.array(
        [
            [x, -14 - 2 * (i in (1, 2, 3))]
            for side in (-1, 1)
            for i, x in enumerate(sorted(side * v for v in (5, 9, 13, 17, 21)))
        ]
    )
    nose = np.array([[0, -6], [0, 0], [0, 5], [0, 10], [-5, 13], [-2.5, 14], [0, 15], [2.5, 14], [5, 13]])
    eye = np.array([[-6, 0], [-2, -3], [2, -3], [6, 0], [2, 3], [-2, 3]])
    outer = np.array(
        [
            [-12, 23],
            [-8, 21],
            [-3, 20],
            [0, 20.5],
            [3, 20],
            [8, 21],
            [12, 23],
            [8, 26],
            [3, 28],
            [0, 28],
            [-3, 28],
            [-8, 26],
        ]
    )
    inner = np.array([[-9, 23], [-4, 23], [0, 23], [4, 23], [9, 23], [4, 24], [0, 24], [-4, 24]])
    right_eye, left_eye = eye - np.array([13, 5]), eye + np.array([13, -5])
    face = np.vstack([jaw, brows, nose, right_eye, left_eye, outer, inner])
    xy[FACE.start : FACE.stop] = face + np.array([160, 75])
    score[FACE.start : FACE.stop] = 1
    body = {
        0: (160, 85),
        1: (160, 140),
        2: (115, 147),
        3: (88, 210),
        4: (125, 255),
        5: (205, 147),
        6: (232, 210),
        7: (195, 255),
        8: (133, 285),
        11: (187, 285),
        14: (147, 70),
        15: (173, 70),
        16: (130, 75),
        17: (190, 75),
    }
    for i, place in body.items():
        xy[i], score[i] = place, 1
    for hand, elbow, wrist in ((RIGHT_HAND, 3, 4), (LEFT_HAND, 6, 7)):
        along = (xy[wrist] - xy[elbow]) / np.hypot(*(xy[wrist] - xy[elbow]))
        across = np.array([-along[1], along[0]])
        fingers = [
            xy[wrist] + along * (8 + 6 * joint) + across * (finger - 2) * 4.5
            for finger in range(5)
            for joint in range(4)
        ]
        xy[hand.start : hand.stop] = np.vstack([xy[wrist], *fingers])
        score[hand.start : hand.stop] = 1
    return xy.astype(np.float32), score.astype(np.float32)


def draw(xy: np.ndarray, *, person_only: bool = False) -> np.ndarray:
    """The person in any pose [H, W, 3] uint8; person_only: white on black, as a mask."""
    smooth = 4
    blobs = np.random.default_rng(5).integers(150, 230, (6, 6, 1)).astype(np.uint8).repeat(3, 2)
    canvas = cv2.resize(blobs, (SIDE_PX * smooth,) * 2, interpolation=cv2.INTER_CUBIC)
    for x in range(0, SIDE_PX, 40):
        cv2.line(canvas, (x * smooth, 0), (x * smooth, SIDE_PX * smooth), (90, 120, 90), 2 * smooth)
    canvas *= not person_only
    q = xy * smooth

    def colour(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
        return (255, 255, 255) if person_only else rgb

    def line(a: np.ndarray, b: np.ndarray, rgb: tuple[int, int, int], width: float) -> None:
        cv2.line(
            canvas, np.rint(a).astype(int).tolist(), np.rint(b).astype(int).tolist(), colour(rgb), int(width * smooth)
        )

    def area(points: np.ndarray, rgb: tuple[int, int, int]) -> None:
        cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], colour(rgb))

    lap = np.array([0, 100 * smooth])
    area(np.array([q[2], q[5], q[11], q[11] + lap, q[8] + lap, q[8]]), SHIRT)
    for t in (0.2, 0.4, 0.6, 0.8):
        line((1 - t) * q[2] + t * q[5], (1 - t) * q[8] + t * q[11], (100, 140, 200), 3)
    line(q[1], q[0], SKIN, 22)
    face = q[FACE.start : FACE.stop]
    middle, size = 0.5 * (face[8] + face[27]), float(np.hypot(*(face[8] - face[27])))
    cv2.circle(
        canvas, np.rint(middle + 0.25 * (face[27] - face[8])).astype(int).tolist(), int(0.95 * size), colour(HAIR), -1
    )
    area(cv2.convexHull(face[:27].astype(np.float32))[:, 0], SKIN)
    for part in (slice(36, 42), slice(42, 48)):
        area(face[part], (240, 240, 240))
    area(face[48:60], (190, 80, 80))
    for a, b, c, hand in ((2, 3, 4, RIGHT_HAND), (5, 6, 7, LEFT_HAND)):
        line(q[a], q[b], SLEEVE, 20)
        line(q[b], q[c], SLEEVE, 18)
        for t in (0.3, 0.6):
            line(q[b] + t * (q[c] - q[b]), q[b] + (t + 0.08) * (q[c] - q[b]), (250, 220, 90), 12)
        line(q[c], q[hand[9]], SKIN, 12)
        for finger in range(5):
            line(q[hand[1 + 4 * finger]], q[hand[4 + 4 * finger]], SKIN, 4)
    return cv2.resize(canvas, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def turned(points: np.ndarray, about: np.ndarray, degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (points - about) @ np.array([[cos, sin], [-sin, cos]]) + about


def gesture(xy: np.ndarray, amount: float) -> np.ndarray:
    """Both arms out, the head to one side; amount 0 is rest."""
    moved = xy.copy()
    for shoulder, elbow, wrist, hand, side in ((2, 3, 4, RIGHT_HAND, 1), (5, 6, 7, LEFT_HAND, -1)):
        for chain, joint, degrees in (([elbow, wrist, *hand], shoulder, 25), ([wrist, *hand], elbow, 50)):
            moved[chain] = turned(moved[chain], moved[joint], side * degrees * amount)
    head = [0, 14, 15, 16, 17, *FACE]
    moved[head] = turned(moved[head], xy[1], 5 * amount)
    return moved.astype(np.float32)


def open_mouth(xy: np.ndarray, gap_px: float) -> np.ndarray:
    moved = xy.copy()
    moved[[24 + i for i in (*range(55, 60), 65, 66, 67, *range(6, 11))], 1] += gap_px
    return moved


def as_pose(xy: np.ndarray, score: np.ndarray, height_px: int = SIDE_PX, width_px: int = SIDE_PX) -> PoseSequence:
    xy, score = np.atleast_3d(xy).reshape(-1, NUM_KEYPOINTS, 2), score.reshape(-1, NUM_KEYPOINTS)
    points = torch.from_numpy(np.ascontiguousarray(xy))
    return PoseSequence.from_pixels(
        points, torch.from_numpy(score).expand(len(xy), -1), height_px=height_px, width_px=width_px
    )


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


@pytest.fixture(scope="module")
def person() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    xy, score = drawn_pose()
    return draw(xy), xy, score


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


def test_matte_finds_the_drawn_person():
    xy, score = drawn_pose()
    matte = person_matte(draw(xy), xy, score)
    truth = draw(xy, person_only=True)[..., 0] / 255.0
    overlap = np.minimum(matte, truth).sum() / np.maximum(matte, truth).sum()
    assert matte.dtype == np.float32
    assert matte.min() >= 0
    assert matte.max() <= 1
    assert overlap > 0.85


def test_a_given_mask_replaces_grabcut():
    xy, score = drawn_pose()
    mask = draw(xy, person_only=True)[..., 0] / 255.0
    preview = prepare_preview(draw(xy), as_pose(xy, score), mask)
    assert preview.body is not None
    shown = preview.body[..., 3] / 255.0
    assert shown[mask == 0].mean() < 0.02


def test_hidden_elbow_keeps_the_arm_with_the_torso(person):
    picture, xy, score = person
    hidden = score.copy()
    hidden[3] = 0.1
    assert [arm.shoulder for arm in prepare_preview(picture, as_pose(xy, hidden)).arms] == [5]


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


def test_spline_matches_scipy():
    rng = np.random.default_rng(1)
    points, values = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    xs, ys = np.linspace(-2, 2, 7), np.linspace(-1, 1, 5)
    ours = evaluate_spline(thin_plate(points, values, np.full(40, 0.01)), points, xs, ys)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
    # scipy's kernel is r^2 log r, ours r^2 log r^2 = twice that
    theirs = RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=0.005)(grid).reshape(5, 7, 2)
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_no_gap_opens_at_the_picture_border(person):
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score))
    raised = xy - np.float32([0, 12])
    frame = render_frame(preview, raised)
    bottom = frame[-4:, 150:170].astype(int)
    assert abs(bottom - picture[-4:, 150:170]).mean() < 40  # still the shirt, not the background


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
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[2])


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
