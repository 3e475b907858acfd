"""Plate, colours and edges on pictures whose answer is known."""

from __future__ import annotations

import numpy as np
from drawn_person import draw, drawn_pose

from mmgt.preview.matte import background_plate, clean_colours, person_matte, soften


def test_plate_is_the_picture_without_the_person():
    ramp = np.linspace(60, 200, 128)
    empty = np.dstack([np.broadcast_to(ramp, (128, 128))] * 3).astype(np.uint8)
    matte = np.zeros((128, 128), np.float32)
    matte[50:80, 50:80] = 1
    picture = empty.copy()
    picture[50:80, 50:80] = (255, 0, 0)
    plate = background_plate(picture, matte)
    assert np.array_equal(plate[:40], picture[:40])
    assert np.sqrt(((plate.astype(float) - empty) ** 2).mean()) < 8  # nothing red is left


def test_colours_composite_back_to_the_picture_without_halo():
    person, behind = np.full((64, 64, 3), (200, 40, 40), np.uint8), np.full((64, 64, 3), (30, 90, 220), np.uint8)
    x = np.arange(64)
    matte = np.broadcast_to(np.clip((40 - x) / 6 + 0.5, 0, 1), (64, 64)).astype(np.float32)
    picture = np.rint(person * matte[..., None] + behind * (1 - matte[..., None])).astype(np.uint8)
    colours = clean_colours(picture, matte, behind)
    again = colours * matte[..., None] + behind * (1 - matte[..., None])
    assert np.abs(again - picture).max() < 8
    edge = matte > 0.02
    assert np.abs(colours[edge].astype(int) - person[edge]).max() < 30  # the red goes on to the very edge


def test_soft_edge_keeps_the_middle_and_the_area():
    mask = np.zeros((100, 100))
    mask[20:80, 20:80] = 1
    soft = soften(mask)
    assert soft[50, 50] == 1
    assert soft[5, 5] == 0
    assert 0 < soft[20, 50] < 1
    assert abs(soft.sum() - mask.sum()) < 0.01 * mask.sum()


def test_matte_finds_the_drawn_person():
    xy, score = drawn_pose()
    matte = person_matte(draw(xy), xy, score)
    truth = draw(xy, person_only=True)[..., 0] / 255.0
    overlap = np.minimum(matte, truth).sum() / np.maximum(matte, truth).sum()
    assert matte.dtype == np.float32
    assert matte.min() >= 0
    assert matte.max() <= 1
    assert overlap > 0.85
