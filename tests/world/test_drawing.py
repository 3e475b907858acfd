"""What is drawn is where the keypoints are: measured in the picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mmgt.poses.skeleton import LEFT_HAND, LOWER_INNER_LIP, NUM_KEYPOINTS, RIGHT_HAND, UPPER_INNER_LIP
from mmgt.world.canvas import Canvas, smooth
from mmgt.world.drawing import draw_frames, draw_presenter, portrait
from mmgt.world.head import MOUTH, TEETH, TONGUE
from mmgt.world.identity import random_identity
from mmgt.world.presenter import presenter

SIDE_PX = 512
SKIN = (64, 200, 96)  # nothing else is green
WHO = replace(
    random_identity(2), hair="none", glasses=False, beard=0.0, skin=SKIN, lips=(60, 60, 250), top=(40, 40, 90),
    sleeves=(40, 40, 90), stripes="none", collar="high", long_sleeves=True, lower=(30, 30, 60),
    wall=((120, 120, 220), (120, 120, 220)),
)  # fmt: skip


def pose(seed=2):
    return presenter(seed).pixels[0].numpy().astype(np.float64)


def parted(xy_px, gap_px):
    """Inner lips so far apart in their middle, as an ellipse, and the outer ones around them."""
    xy_px = xy_px.copy()
    share = np.array([0, 0.8, 1, 0.8, 0, 0.8, 1, 0.8])
    sign = np.array([0, -1, -1, -1, 0, 1, 1, 1])
    xy_px[84:92, 1] = xy_px[84:92, 1].mean() + sign * share * gap_px / 2
    xy_px[72:79, 1] -= gap_px / 2
    xy_px[79:84, 1] += gap_px / 2
    return xy_px


def is_near(picture, colours, distance=40):
    ways = [np.abs(picture.astype(int) - colour).max(axis=-1) for colour in colours]
    return np.min(ways, axis=0) < distance


@pytest.mark.parametrize("side_px", [256, 512, 768])
@pytest.mark.parametrize("gap", [0.2, 0.35, 0.5])
def test_a_mouth_opens_as_far_as_its_keypoints(side_px, gap):
    eye_px = np.hypot(*(pose()[15] - pose()[14]))
    xy_px = parted(pose(), gap * eye_px) * side_px / SIDE_PX
    picture = draw_presenter(WHO, xy_px, side_px, side_px)
    x, top, bottom = xy_px[UPPER_INNER_LIP, 0], xy_px[UPPER_INNER_LIP, 1], xy_px[LOWER_INNER_LIP, 1]
    columns = picture[int(xy_px[75, 1]) : int(xy_px[81, 1]), int(x) : int(x) + 1]  # between the outer lips
    lips = (columns[..., 2] > 150) & (columns[..., 0] < 140)
    rows = np.flatnonzero(is_near(columns[:, 0], [MOUTH, TEETH, TONGUE], 60) & ~lips[:, 0])
    assert rows[-1] + 1 - rows[0] == pytest.approx(bottom - top, abs=1.2)


def test_closed_lips_show_neither_teeth_nor_the_inside():
    picture = draw_presenter(WHO, pose(), SIDE_PX, SIDE_PX)
    low, high = pose()[72:92].min(axis=0).astype(int), pose()[72:92].max(axis=0).astype(int)
    assert not is_near(picture[low[1] : high[1], low[0] : high[0]], [TEETH, TONGUE]).any()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hand", [LEFT_HAND, RIGHT_HAND], ids=["left", "right"])
def test_a_hand_is_where_its_keypoints_are(hand, seed):
    xy_px = pose(seed)
    other = LEFT_HAND if hand is RIGHT_HAND else RIGHT_HAND
    xy_px[other.start : other.stop] += 4000  # out of the picture
    picture = draw_presenter(WHO, xy_px, SIDE_PX, SIDE_PX)
    points = xy_px[hand.start : hand.stop]
    outline = cv2.convexHull(points.astype(np.float32))[:, 0]
    expected = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.fillPoly(expected, [outline.astype(np.int32)], 1)
    low = int(points[:, 1].min()) - 12
    skin = (picture[..., 1].astype(int) > picture[..., 0] + 25) & (picture[..., 1].astype(int) > picture[..., 2] + 10)
    skin[:low] = False
    centre, wanted = (np.argwhere(mask).mean(axis=0) for mask in (skin, expected))
    assert np.abs(centre - wanted).max() < 6  # a hull is no hand: fingers leave gaps
    for tip in (4, 8, 12, 16, 20):
        x, y = points[tip].astype(int)
        assert skin[y - 1 : y + 2, x - 1 : x + 2].any()


def test_moving_a_finger_changes_the_picture_there_alone():
    moved = pose()
    moved[LEFT_HAND.start + 8] += (6, -6)
    changed = np.argwhere((draw_presenter(WHO, moved, 512, 512) != draw_presenter(WHO, pose(), 512, 512)).any(axis=-1))
    finger = pose()[LEFT_HAND.start + 7 : LEFT_HAND.start + 9]
    assert len(changed) > 20
    assert (changed.min(axis=0) > finger[:, ::-1].min(axis=0) - 40).all()
    assert (changed.max(axis=0) < finger[:, ::-1].max(axis=0) + 40).all()


def test_eyes_close_with_their_keypoints():
    closed = pose()
    for eye in (range(60, 66), range(66, 72)):
        closed[list(eye), 1] = closed[list(eye), 1].mean()
    low, high = pose()[60:72].min(axis=0).astype(int) - 2, pose()[60:72].max(axis=0).astype(int) + 2
    whites = [
        is_near(draw_presenter(WHO, xy_px, 512, 512)[low[1] : high[1], low[0] : high[0]], [(250, 248, 244)], 25).sum()
        for xy_px in (pose(), closed)
    ]
    assert whites[0] > 10
    assert whites[1] == 0


def test_a_seed_is_a_picture():
    first, again, other = portrait(5, 128), portrait(5, 128), portrait(6, 128)
    assert np.array_equal(first.picture, again.picture)
    assert first.identity == again.identity != other.identity
    assert np.abs(first.picture.astype(int) - other.picture).mean() > 10


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 64), (256, 256), (200, 300), (600, 520)])
def test_any_size(height, width):
    picture = next(draw_frames(random_identity(1), presenter(1), height, width))
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


def test_a_small_picture_is_a_large_one_reduced():
    small, large = portrait(3, 64).picture, portrait(3, 512).picture
    reduced = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - reduced).mean() < 1


def test_what_lies_outside_of_the_picture_is_no_error():
    xy_px = pose()
    for way in ((-2000, 0), (0, 3000), (1e6, 1e6)):
        assert draw_presenter(WHO, xy_px + way, 64, 64).shape == (64, 64, 3)
    assert draw_presenter(WHO, np.zeros((NUM_KEYPOINTS, 2)), 64, 64).shape == (64, 64, 3)


def test_every_hair_collar_and_pattern_is_drawn():
    people = [random_identity(seed) for seed in range(120)]
    for part in ("hair", "collar", "stripes", "long_sleeves", "glasses"):
        assert len({getattr(who, part) for who in people}) == {"hair": 9, "collar": 5, "stripes": 3}.get(part, 2)
    for who in people[:40]:
        assert draw_presenter(who, pose() / 8, 64, 64).std() > 10


def test_a_smooth_curve_goes_through_its_points():
    points = np.random.default_rng(0).random((7, 2))
    for closed in (False, True):
        curve = smooth(points, closed)
        assert np.abs(curve[:, None] - points).sum(axis=-1).min(axis=0).max() < 1e-9


def test_a_square_covers_its_pixels():
    canvas = Canvas(np.zeros((8, 8, 3), np.uint8), 1)
    canvas.fill(np.array([(2, 2), (6, 2), (6, 6), (2, 6)], float), (255, 255, 255))
    assert (canvas.picture[3:5, 3:5] == 255).all()
    assert 16 <= canvas.picture[..., 0].sum() / 255 <= 5.4**2  # its edge is drawn as a soft line of a pixel
    assert (canvas.picture[0] == 0).all()
