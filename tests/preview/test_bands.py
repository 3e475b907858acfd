"""Large pictures: bands change nothing but the memory, and a cancel acts within one of them."""

from __future__ import annotations

from dataclasses import fields

import cv2
import numpy as np
import pytest
from drawn_person import as_pose, gesture, psnr_db

from mmgt.preview import bands, prepare_preview, preview_motion, render_frame
from mmgt.preview.bands import as_large, as_shape, by_rows


class CancelledError(Exception):
    pass


def layers(person, between=bands.go_on):
    """All pictures of a preview, and of a frame of it."""
    picture, xy, score = person
    preview = prepare_preview(picture, as_pose(xy, score), between=between)
    made = {field.name: getattr(preview, field.name) for field in fields(preview)}
    arms = {f"arm {arm.shoulder}": arm.texture for arm in preview.arms}
    pictures = {name: plane for name, plane in made.items() if isinstance(plane, np.ndarray) and plane.ndim == 3}
    return {**pictures, **arms, "frame": render_frame(preview, gesture(xy, 0.5), between)}


def test_bands_are_the_whole(person, monkeypatch):
    """Blurs that sum along columns begin elsewhere in a band: colours may differ by their rounding, nothing else."""
    whole = layers(person)
    assert whole.keys() >= {"body", "plate", "residual", "arm 2", "arm 5", "frame"}
    monkeypatch.setattr(bands, "BAND_PX", 13 * 320)
    for name, plane in layers(person).items():
        assert np.abs(plane.astype(float) - whole[name]).max() <= 1, name


@pytest.mark.parametrize(("height_px", "width_px"), [(97, 40), (1, 5), (26, 260)])
def test_bands_are_all_rows_once(monkeypatch, height_px, width_px):
    monkeypatch.setattr(bands, "BAND_PX", 520)
    rows = [row for band in bands.bands(height_px, width_px) for row in range(band.start, band.stop)]
    assert rows == list(range(height_px))
    assert all((band.stop - band.start) * width_px <= 520 for band in bands.bands(height_px, width_px))


def test_what_acts_from_afar_is_in_the_band():
    plane = np.random.default_rng(0).random((97, 40), np.float32)
    seen = []

    def dilated(part):
        seen.append(len(part))
        return cv2.dilate(part, np.ones((11, 11)))

    whole = dilated(plane)
    seen.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "BAND_PX", 400)
        np.testing.assert_array_equal(by_rows(dilated, plane, reach_px=5, between=bands.go_on), whole)
    assert seen == [15] + [20] * 8 + [12]
    assert by_rows(dilated, plane, between=bands.go_on).shape == plane.shape


def test_a_larger_picture_is_asked_more_often_never_for_more_at_once(person, monkeypatch):
    """Between two looks at the cancel lies a band: their number grows with the picture's area."""
    counts = []
    for band_px in (320 * 320, 320 * 32, 320 * 8):
        monkeypatch.setattr(bands, "BAND_PX", band_px)
        count = []
        layers(person, lambda count=count: count.append(1))
        counts.append(len(count))
    by_row = (counts[2] - counts[0]) / (320 / 8 - 1)
    assert by_row == (counts[1] - counts[0]) / (320 / 32 - 1)
    assert by_row >= 10  # joins, colours and composites of body and both arms, and of the frame


def test_a_cancel_acts_at_every_look(person):
    picture, xy, score = person
    poses = as_pose(np.stack([xy, gesture(xy, 0.5)]), score)
    looks = []
    list(preview_motion(picture, as_pose(xy, score), poses, progress=lambda *step: looks.append(step)))
    for step in {0, 1, len(looks) // 3, len(looks) // 2, len(looks) - 1}:
        asked = []

        def progress(*_, asked=asked, step=step):
            asked.append(1)
            if len(asked) > step:
                raise CancelledError

        with pytest.raises(CancelledError):
            list(preview_motion(picture, as_pose(xy, score), poses, progress=progress))
        assert len(asked) == step + 1


def test_shapes_of_large_pictures_are_those_of_small_ones(person, monkeypatch):
    """Masks at work size give the layers of masks at full size, but for their soft edges."""
    picture, xy, score = person
    own = prepare_preview(picture, as_pose(xy, score))
    monkeypatch.setattr(bands, "SHAPE_SIDE_PX", 160)
    half = prepare_preview(picture, as_pose(xy, score))
    moved = gesture(xy, 0.5)
    assert psnr_db(render_frame(half, moved), render_frame(own, moved)) > 30
    assert psnr_db(render_frame(half, xy), picture) > 50


def test_a_plane_that_fits_stays_as_it_is():
    plane = np.random.default_rng(0).random((48, 1024), np.float32)
    assert as_shape(plane) is plane
    assert as_large(plane, 48, 1024) is plane
    large = np.repeat(np.repeat(plane > 0.5, 3, axis=0), 3, axis=1)
    assert as_shape(large).dtype == bool
    assert as_shape(large).shape == (48, 1024)
    assert as_large(as_shape(large.astype(np.float32)), 144, 3072).shape == (144, 3072)
