from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from people import ARMS, HEAD, bone_lengths, child, moving, shoulder_px, still

from mmgt.errors import InputError
from mmgt.motion_edit.retarget import fit_poses
from mmgt.poses import PoseSequence


def elsewhere(poses: PoseSequence, scale: float, x_px: float, y_px: float, size_px=(640, 480)) -> PoseSequence:
    xy = poses.pixels * scale + torch.tensor([x_px, y_px])
    return PoseSequence.from_pixels(xy, poses.score, height_px=size_px[1], width_px=size_px[0])


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(0.3, 3), x_px=st.floats(-300, 300), y_px=st.floats(-300, 300), seed=st.integers(0, 9))
def test_a_person_elsewhere_in_another_size_is_fitted_back(scale, x_px, y_px, seed):
    track = moving(still(), 40, seed)
    fitted = fit_poses(elsewhere(track, scale, x_px, y_px), still())
    assert (fitted.pixels - track.pixels).norm(dim=-1).max() < 0.02 * shoulder_px(still())
    assert (fitted.height_px, fitted.width_px) == (512, 512)


def test_detector_noise_keeps_the_fit_within_two_percent():
    track = moving(still())
    noisy = track.pixels + torch.randn(60, 134, 2, generator=torch.Generator().manual_seed(0))
    small = elsewhere(PoseSequence.from_pixels(noisy, track.score, height_px=512, width_px=512), 0.6, 90, 40)
    error = (fit_poses(small, still()).pixels - noisy)[:, [1, 2, 5]].norm(dim=-1)
    assert error.median() < 0.02 * shoulder_px(still())


def test_a_tall_person_gets_the_childs_proportions():
    photo, track = child(), moving(still())
    fitted = fit_poses(track, photo)
    visible = [2, 5, *ARMS, *range(92, 134), *HEAD[1:5]]
    error = (bone_lengths(fitted) / bone_lengths(photo) - 1).abs()[:, visible]
    assert error.nan_to_num(0).max() < 0.02  # a hand's root lies on the wrist: 0 / 0
    assert (bone_lengths(track) / shoulder_px(track) - bone_lengths(photo) / shoulder_px(photo)).abs().max() > 0.1
    shoulders = [poses.pixels[:, [2, 5]] - poses.pixels[:, [1]] for poses in (fitted, photo)]
    torch.testing.assert_close(shoulders[0], shoulders[1].expand(60, -1, -1), atol=0.1, rtol=0)
    assert (fitted.pixels - photo.pixels)[:, 1].norm(dim=-1).min() < 1


def test_the_head_stays_in_the_picture():
    track = moving(still())
    walking = torch.linspace(0, 900, 60)[:, None, None] * torch.tensor([1.0, 0.0])
    gone = PoseSequence.from_pixels(track.pixels + walking, track.score, height_px=512, width_px=512)
    x = fit_poses(gone, child()).pixels[:, HEAD, 0]
    assert x.max() <= 400.01
    assert torch.diff(x[:, 0]).min() > -4  # still walking to the right, but for the sway


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_missing_points_stay_missing_and_nothing_is_nan(data):
    track = moving(still(), 12)
    score = track.score.clone()
    for _ in range(data.draw(st.integers(0, 40))):
        frames = slice(data.draw(st.integers(0, 11)), None) if data.draw(st.booleans()) else slice(None)
        score[frames, data.draw(st.integers(0, 133))] = 0
    xy = torch.where(score[..., None] > 0, track.keypoints, torch.tensor(0.0))
    photo = still()
    photo = replace(photo, score=photo.score * torch.from_numpy(np.random.default_rng(1).random((1, 134)) > 0.2))
    fitted = fit_poses(replace(track, keypoints=xy, score=score), photo)  # PoseSequence refuses NaN
    assert torch.equal(fitted.score, score)


def test_a_lone_face_is_fitted_by_its_head():
    track = moving(still())
    score = track.score.clone()
    score[:, :24] = 0
    score[:, 92:] = 0
    face = elsewhere(replace(track, score=score), 0.6, 50, 10)
    error = (fit_poses(face, still()).pixels - track.pixels)[:, 24:92].norm(dim=-1)
    assert error.max() < 0.02 * shoulder_px(still())


def test_nothing_in_common_is_one_sentence():
    hidden = replace(moving(still()), score=torch.zeros(60, 134))
    with pytest.raises(InputError, match="in common"):
        fit_poses(hidden, still())
    with pytest.raises(InputError, match="60 frames"):
        fit_poses(moving(still()), moving(still()))
