from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from people import ARMS, bone_lengths, moving, opening_px, still

from mmgt.errors import InputError
from mmgt.motion_edit.edit import MIRROR, POINTS, EditRegion, RegionEdit, edit_poses
from mmgt.motion_edit.tree import REGIONS

OWN = {region: points for region, (points, _) in POINTS.items()}
LEAVES = ["torso", "head", "left arm", "right arm", "left hand", "right hand", "face", "lips"]


def test_without_edits_the_track_is_returned():
    track = moving(still())
    assert edit_poses(track) is track


@pytest.mark.parametrize("edit", [{"amplitude": 0.5}, {"tempo": 2.0}, {"smoothing_s": 0.2}, {"mirror": True}])
@pytest.mark.parametrize("region", ["hands", "left hand", "right hand", "face", "eyes and brows", "lips"])
def test_an_edit_reaches_its_region_only(region, edit):
    track = moving(still())
    edited = edit_poses(track, RegionEdit(**edit), region)
    others = [point for point in range(134) if point not in OWN[region]]
    assert torch.equal(edited.keypoints[:, others], track.keypoints[:, others])
    assert not torch.equal(edited.keypoints, track.keypoints)


def test_regions_are_made_of_the_smallest_ones():
    def together(*regions):
        return sorted(point for region in regions for point in OWN[region])

    assert together(*LEAVES) == together("whole person") == list(range(134))
    assert together("torso", "head", "left arm", "right arm") == sorted(OWN["body"])
    assert together("left hand", "right hand") == sorted(OWN["hands"])
    assert set(OWN["eyes and brows"]) < set(OWN["face"])
    assert set(get_args(EditRegion)) == set(POINTS)


@pytest.mark.parametrize("edit", [{"amplitude": 0.5}, {"tempo": 2.0}, {"smoothing_s": 0.2}, {"mirror": True}])
def test_the_smallest_regions_one_after_another_are_the_whole_person(edit):
    """A chain of nodes can do what one node with every region would: each region lives in its own terms."""
    track = moving(still())
    chained = track
    for region in LEAVES if "mirror" not in edit else ["body", "hands", "face", "lips"]:
        chained = edit_poses(chained, RegionEdit(**edit), region)
    torch.testing.assert_close(chained.pixels, edit_poses(track, RegionEdit(**edit)).pixels, atol=0.3, rtol=0)


def test_an_arm_that_is_mirrored_alone_moves_as_the_other():
    track = moving(still())
    alike = edit_poses(track, RegionEdit(mirror=True), "left arm").pixels

    def turns(elbow, shoulder):
        arm = alike[:, elbow] - alike[:, shoulder]
        return torch.atan2(arm[:, 1], arm[:, 0].abs())

    torch.testing.assert_close(turns(6, 5), turns(3, 2), atol=1e-3, rtol=0)
    assert torch.equal(alike[:, [2, 3, 4]], track.pixels[:, [2, 3, 4]])


@pytest.mark.parametrize("region", ["body", "arms", "right arm"])
def test_amplitude_turns_arms_and_keeps_their_lengths(region):
    track = moving(still())
    for amplitude in (0.0, 0.5, 2.0):
        edited = edit_poses(track, RegionEdit(amplitude=amplitude), region)
        limbs = [*ARMS, *REGIONS["hands"]]
        torch.testing.assert_close(bone_lengths(edited)[:, limbs], bone_lengths(track)[:, limbs], atol=0.01, rtol=0)

        def angles(poses):
            arm = poses.pixels[:, 3] - poses.pixels[:, 2]
            return torch.atan2(arm[:, 1], arm[:, 0])

        torch.testing.assert_close(angles(edited).std(), amplitude * angles(track).std(), atol=1e-4, rtol=1e-3)


def test_lips_open_as_far_as_told_and_close_at_zero():
    track = moving(still())
    for amplitude in (0.0, 0.5, 2.0):
        edited = edit_poses(track, RegionEdit(amplitude=amplitude), "lips")
        np.testing.assert_allclose(opening_px(edited), amplitude * opening_px(track), atol=0.6)


def test_tempo_two_is_every_second_frame_there_and_back():
    track = moving(still(), 41)
    fast = edit_poses(track, RegionEdit(tempo=2.0))
    torch.testing.assert_close(fast.pixels[:21], track.pixels[::2], atol=1e-3, rtol=0)
    torch.testing.assert_close(fast.pixels[21:], track.pixels[::2].flip(0)[1:], atol=1e-3, rtol=0)


def test_smoothing_calms_and_does_not_lag():
    track = replace(moving(still(), 30).at_fps(100), fps=25.0)
    noise = torch.randn(120, 134, 2, generator=torch.Generator().manual_seed(1)) * 2 / 512
    noisy = replace(track, keypoints=track.keypoints + noise)
    smooth = edit_poses(noisy, RegionEdit(smoothing_s=0.08))
    points = [3, 4, 6, 7, 100, 80]
    errors = [(poses.pixels - track.pixels)[:, points].square().mean().sqrt() for poses in (noisy, smooth)]
    assert errors[1] < 0.7 * errors[0]
    x, y = (poses.pixels[:, 3, 1].numpy() - poses.pixels[:, 3, 1].mean().item() for poses in (track, smooth))
    assert np.argmax([np.corrcoef(np.roll(x, lag)[5:-5], y[5:-5])[0, 1] for lag in range(-3, 4)]) == 3


def test_a_mirror_is_a_flip_and_twice_is_nothing():
    track = moving(still())
    mirrored = edit_poses(track, RegionEdit(mirror=True))
    twice = (2 * np.median(track.pixels[:, 1, 0]) - track.pixels[..., 0])[:, MIRROR]
    torch.testing.assert_close(mirrored.pixels[..., 0], twice, atol=0.01, rtol=0)
    torch.testing.assert_close(mirrored.pixels[..., 1], track.pixels[:, MIRROR, 1], atol=0.01, rtol=0)
    again = edit_poses(mirrored, RegionEdit(mirror=True))
    torch.testing.assert_close(again.pixels, track.pixels, atol=0.01, rtol=0)


def test_the_mirror_of_the_skeleton_swaps_the_sides_of_a_person():
    assert (MIRROR[MIRROR] == np.arange(134)).all()
    pixels = still().pixels[0, :92]
    flipped = torch.stack([512 - pixels[:, 0], pixels[:, 1]], dim=1)[MIRROR[:92]]
    assert (flipped - pixels)[24:].norm(dim=-1).max() < 25  # an upright face is nearly its own mirror image


def test_offsets_carry_what_hangs_on_the_region():
    track = moving(still())
    edited = edit_poses(edit_poses(track, RegionEdit(offset_x=0.1), "face"), RegionEdit(offset_y=-0.05), "lips")
    way = (edited.keypoints - track.keypoints).mean(dim=0)
    torch.testing.assert_close(way[24:72], torch.tensor([[0.1, 0.0]]).expand(48, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(way[72:92], torch.tensor([[0.1, -0.05]]).expand(20, 2), atol=1e-5, rtol=0)
    assert (way[:24] == 0).all()
    for region, (points, carried) in POINTS.items():
        way = (edit_poses(track, RegionEdit(offset_y=0.1), region).keypoints - track.keypoints)[..., 1]
        assert set(points) <= set(carried)
        assert set(way.abs().amax(dim=0).gt(0.05).nonzero().flatten().tolist()) == set(carried)


def test_hidden_points_stay_hidden_and_disturb_no_others():
    track = moving(still())
    score = track.score.clone()
    score[20:30, 92:113] = 0
    score[:, [9, 10, 12, 13]] = 0
    holes = replace(track, score=score, keypoints=torch.where(score[..., None] > 0, track.keypoints, torch.tensor(0.0)))
    edited, whole = (
        edit_poses(edit_poses(poses, RegionEdit(smoothing_s=0.1), "hands"), RegionEdit(amplitude=1.3), "body")
        for poses in (holes, track)
    )
    assert torch.equal(edited.score, score)
    seen = (score > 0)[:15]
    assert (edited.pixels - whole.pixels)[:15][seen].norm(dim=-1).max() < 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [("amplitude", -0.1), ("tempo", 0), ("smoothing_s", 3), ("offset_x", 2), ("offset_y", float("nan"))],
)
def test_a_value_out_of_range_is_one_sentence(name, value):
    with pytest.raises(InputError, match=f"{name} is .* between"):
        RegionEdit(**{name: value})


def test_an_unknown_region_is_one_sentence():
    with pytest.raises(InputError, match=r"the region is 'tail'; it must be one of whole person, .* lips\."):
        edit_poses(moving(still()), RegionEdit(amplitude=0.5), "tail")
