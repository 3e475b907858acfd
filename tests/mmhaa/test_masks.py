"""Motion masks as the branches of MM-HAA take them: definitions by name, and masks that were made elsewhere."""

import numpy as np
import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.mmhaa.drive import drive_video
from mmgt.mmhaa.masks import (
    FACE_BLUR,
    MASK_SETS,
    BranchMasks,
    GivenMasks,
    MaskOptions,
    mask_pyramid,
    mask_set,
    network_masks,
)
from mmgt.mmhaa.pictures import PictureSize
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.poses.motion_mask import motion_masks

SIZE = PictureSize(128, 128)
SIDE = 16


def box(top, left, height, width):
    mask = np.zeros((2, 128, 128), np.uint8)
    mask[:, top : top + height, left : left + width] = 255
    return mask


FACE, LIPS, HANDS = box(10, 40, 40, 40), box(34, 50, 10, 20), box(90, 20, 30, 30)
AT_FACE, AT_HANDS, NOWHERE = 4 * SIDE + 6, 13 * SIDE + 4, 10 * SIDE + 15  # cells of level 0


def levels(**options):
    return network_masks(FACE, LIPS, SIDE, SIDE, HANDS, MaskOptions(**options))


def test_the_third_mask_by_name():
    default, hands, outside = (levels(third_mask=name)[0] for name in ("1 + lips", "hands", "1 - face + lips"))
    for level in (default, hands, outside):
        torch.testing.assert_close(level[1:], default[1:])  # face and lips stay
    full, face, lips = default
    torch.testing.assert_close(full, 1 + lips)
    assert hands[0][0, AT_HANDS] > 0.9 > 0.1 > hands[0][0, AT_FACE]
    torch.testing.assert_close(outside[0], (1 - face + lips).clamp(0, 1))
    assert outside[0][0, NOWHERE] > 0.9


def test_hands_choose_their_branch():
    without = levels()
    for branch, index in (("full", 0), ("face", 1), ("lips", 2)):
        level = levels(hands_branch=branch)[0]
        assert level[index][0, AT_HANDS] > without[0][index][0, AT_HANDS] + 0.5
        others = [i for i in range(1, 3) if i != index]
        torch.testing.assert_close(level[others], without[0][others])
    # the paper's and the training's face mask is one mask of face and hands
    united = mask_pyramid(np.maximum(FACE, HANDS), FACE_BLUR, SIDE, SIDE)
    for level, wanted in zip(levels(hands_branch="face"), united, strict=True):
        torch.testing.assert_close(level[1], wanted)


def test_the_papers_background_is_what_is_neither_face_nor_hands():
    full, face, lips = levels(third_mask="background", hands_branch="face")[0]
    assert full[0, NOWHERE] > 0.95
    assert max(full[0, AT_FACE], full[0, AT_HANDS]) < 0.25  # its edge is blurred
    torch.testing.assert_close(full, 1 - face, atol=2 / 255, rtol=0)  # face is the mask of face and hands
    torch.testing.assert_close(lips, levels()[0][2])
    nothing = np.zeros_like(FACE)
    everywhere = network_masks(nothing, nothing, SIDE, SIDE, nothing, mask_set("paper"))
    assert everywhere[0][0].min() == 1  # not nowhere, as a stretched constant would be
    assert [mask_set(name) for name in MASK_SETS] == [
        MaskOptions(),
        MaskOptions("background", "face"),
        MaskOptions("hands", "face"),
    ]
    assert mask_set("authors' training", MaskOptions("1 - face + lips")) == MaskOptions("1 - face + lips", "face")
    chosen = MaskOptions("hands", "lips", "still")
    assert mask_set("authors' inference", chosen) == chosen
    assert mask_set("paper", chosen).motion == "still"
    with pytest.raises(InputError, match="the mask set is 'authors'"):
        mask_set("authors")


def test_a_given_background_is_the_full_branchs():
    mask = torch.zeros(1, 128, 128)
    mask[:, :, :64] = 0.5
    drive = drive_video(SIZE, poses=poses(), background_mask=mask, mask_options=mask_set("paper"))
    full = drive.masks([0, 2])[0][0].unflatten(1, (SIDE, SIDE))
    assert full[:, :, :4].min() > 0.49
    assert full[:, :, -4:].max() == 0
    with pytest.raises(InputError, match="the background mask would act nowhere"):
        drive_video(SIZE, poses=poses(), background_mask=mask)
    with pytest.raises(InputError, match="must be"):
        drive_video(SIZE, poses=poses(), background_mask=mask[0], mask_options=mask_set("paper"))
    with pytest.raises(InputError, match="2 background masks for 3 frames"):
        drive_video(SIZE, poses=poses(), background_mask=mask.repeat(2, 1, 1), mask_options=mask_set("paper"))


def test_masks_stand_still_or_are_none():
    moving = drive_video(SIZE, poses=poses()).masks([0, 1, 2])
    still = drive_video(SIZE, poses=poses(), mask_options=MaskOptions(motion="still")).masks([0, 1, 2])
    none = drive_video(SIZE, poses=poses(), mask_options=MaskOptions(motion="none")).masks([0, 1, 2])
    for level, held, ones in zip(moving, still, none, strict=True):
        torch.testing.assert_close(held, level[:, :1].expand_as(level), atol=0, rtol=0)
        assert ones.shape == level.shape
        assert ones.min() == ones.max() == 1
    assert not torch.equal(moving[0][:, 2], still[0][:, 2])
    with pytest.raises(InputError, match="masks were given"):
        drive_video(SIZE, poses=poses(), face_mask=torch.zeros(1, 128, 128), mask_options=MaskOptions(motion="none"))


def poses():
    still = load_poses(ASTRONAUT_POSE)
    moved = still.keypoints.repeat(3, 1, 1) + torch.linspace(0, 0.1, 3)[:, None, None]
    return PoseSequence(moved, still.score.repeat(3, 1), 25.0, still.height_px, still.width_px)


@pytest.mark.parametrize(
    "options",
    [MaskOptions(), MaskOptions("hands", "face"), MaskOptions("1 - face + lips", "full"), mask_set("paper")],
)
def test_the_mask_builders_masks_are_those_of_the_poses(options):
    built = motion_masks(poses(), 128, 128)
    made = drive_video(SIZE, poses=poses(), mask_options=options).masks([0, 2])
    given = drive_video(
        SIZE,
        poses=poses(),
        face_mask=built.face,
        lip_mask=built.lips,
        hands_mask=built.hands if options.needs_hands else None,
        mask_options=options,
    ).masks([0, 2])
    for a, b in zip(made, given, strict=True):
        torch.testing.assert_close(a, b)


def given(face):
    drive = drive_video(SIZE, pose_pictures=torch.zeros(1, 8, 8, 3), face_mask=face, lip_mask=torch.zeros(1, 8, 8))
    return drive.masks([0])[0][1, 0].unflatten(0, (SIDE, SIDE))


def test_masks_that_nothing_reads_change_nothing():
    def everywhere(frames):
        return np.full((len(frames), 128, 128), 255, np.uint8)

    regions = {"size": SIZE, "face": everywhere, "lips": everywhere}
    given = GivenMasks(torch.full((1, 128, 128), 0.5), SIZE)
    for with_hands, without in zip(BranchMasks(**regions, hands=given)([0]), BranchMasks(**regions)([0]), strict=True):
        torch.testing.assert_close(with_hands, without, atol=0, rtol=0)


def test_a_mask_keeps_its_meaning():
    """Grown, blurred or painted over elsewhere: half a mask acts half, everywhere is everywhere, nothing is nothing."""
    mask = torch.zeros(1, 128, 128)
    mask[:, 32:96, 32:96] = 1
    whole, half = given(mask), given(mask / 2)
    torch.testing.assert_close(half, whole / 2, rtol=0, atol=2 / 255)
    assert given(torch.ones(1, 128, 128)).min() == 1
    assert given(torch.zeros(1, 128, 128)).max() == 0
    grown = torch.nn.functional.max_pool2d(mask, 33, 1, 16)
    assert (given(grown) >= whole - 1 / 255).all()
    assert given(grown).sum() > 1.5 * whole.sum()
    assert given(mask.repeat(1, 2, 1)[:, ::2]).shape == (SIDE, SIDE)  # another size


@pytest.mark.parametrize("wrong", [{"third_mask": "rest"}, {"hands_branch": "hands"}, {"motion": "slow"}])
def test_an_unknown_name_is_one_sentence(wrong):
    with pytest.raises(InputError, match="must be one of"):
        MaskOptions(**wrong)
