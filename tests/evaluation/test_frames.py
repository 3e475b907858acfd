"""Frames' numbers against scikit-image, and on frames whose numbers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.evaluation.frames import FrameMeasures, person_box, psnr, resized, squared_error, ssim, ssim_map
from mmgt.pose_files import load_poses
from mmgt.poses.motion_mask import motion_masks
from mmgt.poses.skeleton import LEFT_HAND, RIGHT_HAND

HEIGHT, WIDTH = 160, 160


def with_hands(poses):
    """The portrait shows none: both are put before the chest."""
    keypoints, score = poses.keypoints.clone(), poses.score.clone()
    for hand, x in ((LEFT_HAND, 0.7), (RIGHT_HAND, 0.3)):
        points = torch.arange(len(hand)) / len(hand)
        keypoints[:, hand.start : hand.stop] = torch.stack([x + 0.1 * points, 0.8 + 0.1 * points.sin()], dim=-1)
        score[:, hand.start : hand.stop] = 1
    return replace(poses, keypoints=keypoints, score=score)


POSES = with_hands(load_poses(ASTRONAUT_POSE).at([0] * 4)).sized(HEIGHT, WIDTH)


def pictures(seed=0, num=4, noise=20.0):
    """A smooth picture and noisy ones of it, uint8."""
    draw = np.random.default_rng(seed)
    ramp = np.indices((HEIGHT, WIDTH)).sum(axis=0)[..., None] * np.array([0.6, 0.5, 0.4])
    smooth = np.repeat(ramp[None], num, axis=0) + draw.normal(0, 12, (num, HEIGHT, WIDTH, 3))
    noisy = smooth + noise * draw.normal(0, 1, smooth.shape)
    return [values.clip(0, 255).round().astype(np.uint8) for values in (noisy, smooth)]


def measure(frames, references=None, **more):
    measures = FrameMeasures(*frames[0].shape[:2], **more)
    for t, frame in enumerate(frames):
        measures.add(frame, None if references is None else references[t])
    return {row.name: row for row in measures.measured()}


def oracle_map(frame, reference):
    return structural_similarity(
        frame, reference, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip


def test_psnr_and_ssim_are_scikit_images():
    frames, references = pictures()
    for frame, reference in zip(frames, references, strict=True):
        value, similarity = oracle_map(frame, reference)
        assert ssim(frame, reference) == pytest.approx(value, abs=1e-6)
        np.testing.assert_allclose(ssim_map(frame, reference), similarity.mean(axis=-1), atol=1e-6)
        error = squared_error(frame, reference).mean()
        assert psnr(error) == pytest.approx(peak_signal_noise_ratio(reference, frame, data_range=255), abs=1e-6)
    rows = measure(frames, references)
    whole = peak_signal_noise_ratio(references, frames, data_range=255)
    assert rows["PSNR whole 160x160"].value == pytest.approx(whole, abs=1e-6)
    values = [oracle_map(*both)[0] for both in zip(frames, references, strict=True)]
    assert rows["SSIM whole 160x160"].value == pytest.approx(np.mean(values), abs=1e-6)


@pytest.mark.parametrize("size", [(11, 11), (16, 27), (37, 53), (64, 17)])
def test_ssim_is_scikit_images_at_any_size(size):
    draw = np.random.default_rng(0)
    for low, high in ((0, 256), (250, 256), (0, 3)):
        frame, reference = (draw.integers(low, high, (*size, 3), np.uint8) for _ in range(2))
        value, similarity = oracle_map(frame, reference)
        assert ssim(frame, reference) == pytest.approx(value, abs=1e-6)
        np.testing.assert_allclose(ssim_map(frame, reference), similarity.mean(axis=-1), atol=1e-6)


def test_psnr_does_not_wrap_around():
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    assert psnr(squared_error(black, white).mean()) == psnr(squared_error(white, black).mean()) == 0


@pytest.mark.parametrize("region", ["face", "lips", "hands"])
def test_regions_are_the_motion_masks(region):
    frames, references = pictures()
    rows = measure(frames, references, poses=POSES)
    inside = getattr(motion_masks(POSES, HEIGHT, WIDTH), region).bool().numpy()
    assert inside.any()
    error = np.stack([squared_error(*both) for both in zip(frames, references, strict=True)])[inside].mean()
    assert rows[f"PSNR {region} 160x160"].value == pytest.approx(psnr(error), abs=1e-9)
    similarity = np.stack([oracle_map(*both)[1].mean(-1) for both in zip(frames, references, strict=True)])[inside]
    assert rows[f"SSIM {region} 160x160"].value == pytest.approx(similarity.mean(), abs=1e-6)
    assert f"PSNR {region} 256x256" in rows


def test_equal_frames_are_the_extreme_and_noise_is_worse_and_worse():
    frames, _ = pictures()
    rows = measure(frames, frames, poses=POSES)
    assert all(row.value == math.inf for name, row in rows.items() if name.startswith("PSNR"))
    assert all(row.value == pytest.approx(1) for name, row in rows.items() if name.startswith("SSIM"))
    levels = [measure(*pictures(noise=noise), poses=POSES) for noise in (2, 8, 32)]
    compared = [name for name in levels[0] if name.startswith(("PSNR", "SSIM"))]
    assert len(compared) == 2 * 2 * 4
    for name in compared:
        values = [level[name].value for level in levels]
        assert values == sorted(values, reverse=True), name
        assert levels[0][name].better == "higher"


def still(num=6, value=100.0):
    return np.full((num, HEIGHT, WIDTH, 3), value)


def test_flicker_and_stillness_are_of_the_background_only_and_as_defined():
    poses = POSES.at([0] * 6)
    x0, y0, x1, y1 = person_box(poses, HEIGHT, WIDTH)
    frames = still()
    frames[::2, y0:y1, x0:x1] = 200  # the person may do what it likes
    rows = measure(frames.astype(np.uint8), poses=poses)
    assert rows["background flicker"].value == rows["background difference"].value == 0
    assert rows["background PSNR"].value == math.inf

    frames[1::2] += 3  # every other frame is lighter: |3 - 0 + 3|
    rows = measure(frames.astype(np.uint8), poses=poses)
    assert rows["background flicker"].value == pytest.approx(6)
    assert rows["background difference"].value == pytest.approx(3 * 3 / 5)  # of frames 1..5 three are lighter
    drifting = still() + np.arange(6)[:, None, None, None]
    rows = measure(drifting.astype(np.uint8), poses=poses)
    assert rows["background flicker"].value == 0
    assert rows["background difference"].value == pytest.approx(3)
    photo = np.full((2 * HEIGHT, 2 * WIDTH, 3), 98, np.uint8)
    rows = measure(still().astype(np.uint8), poses=poses, photo=photo)
    assert rows["background difference"].value == pytest.approx(2)
    assert rows["background PSNR"].value == pytest.approx(20 * math.log10(255 / 2))


def test_a_person_box_holds_all_that_is_seen_of_all_frames():
    moved = POSES.keypoints.clone()
    moved[2] -= 0.1
    poses = type(POSES)(moved, POSES.score, POSES.fps, HEIGHT, WIDTH)
    x0, y0, x1, y1 = person_box(poses, HEIGHT, WIDTH)
    xy = poses.pixels[poses.visible]
    inside = (xy >= torch.tensor([x0, y0])) & (xy <= torch.tensor([x1, y1]))
    outside = (xy < 0) | (xy > HEIGHT)
    assert bool((inside | outside).all())


def test_small_and_differently_shaped_pictures_are_one_sentence():
    tiny = np.zeros((8, 30, 3), np.uint8)
    with pytest.raises(InputError, match="30x8 px is too small for SSIM"):
        ssim(tiny, tiny)
    with pytest.raises(InputError, match="the same aspect"):
        resized(np.zeros((100, 160, 3), np.uint8), HEIGHT, WIDTH, "the reference")
    assert resized(np.zeros((80, 80, 3), np.uint8), HEIGHT, WIDTH, "it").shape == (HEIGHT, WIDTH, 3)
