"""What windows read is made once a frame, without a bit lost."""

import pytest
import torch

from mmgt.mmhaa.ahead import Ahead, packed, unpacked
from mmgt.mmhaa.audio_proj import around_each_frame
from mmgt.mmhaa.drive import Drive, GivenPictures
from mmgt.mmhaa.masks import BranchMasks, GivenMasks
from mmgt.mmhaa.pictures import PictureSize

SIZE, NUM_FRAMES = PictureSize(60, 100), 9


@pytest.fixture
def drive():
    torch.manual_seed(0)
    face, lips = (GivenMasks(torch.rand(NUM_FRAMES, 20, 30), SIZE) for _ in range(2))
    pictures = GivenPictures(torch.rand(NUM_FRAMES, 90, 120, 3), SIZE)
    return Drive(NUM_FRAMES, SIZE, pictures, BranchMasks(SIZE, face, lips), torch.rand(NUM_FRAMES, 2, 4))


def test_a_window_is_what_its_sources_give(drive):
    ahead = Ahead(drive)
    for window in ((0, 1, 2, 3), (2, 3, 4, 5), (7, 8, 0, 1), (0, 1, 2, 3)):
        inputs = ahead.take(window)
        assert torch.equal(inputs.pictures, drive.pictures(window))
        for level, expected in zip(inputs.masks, drive.masks(window), strict=True):
            assert torch.equal(level, expected)
        assert torch.equal(inputs.speech, around_each_frame(drive.speech, window))


def test_pictures_of_8_bits_become_small_and_come_back_to_the_bit():
    pixels = torch.zeros(64, 64, 3, dtype=torch.uint8)
    pixels[10:20, 5:50] = torch.arange(256, dtype=torch.uint8)[:45, None]
    picture = (pixels.float() / 255).permute(2, 0, 1)
    kept = packed(picture)
    assert len(kept[0]) < pixels.numel() / 20
    assert torch.equal(unpacked(kept), picture)
    all_pixels = (torch.arange(256).float() / 255).repeat(3, 1, 1)
    assert torch.equal(unpacked(packed(all_pixels)), all_pixels)


def test_other_numbers_are_kept_as_they_are():
    picture = torch.rand(3, 8, 8)
    picture[0, 0, 0] = torch.nan
    torch.testing.assert_close(unpacked(packed(picture)), picture, rtol=0, atol=0, equal_nan=True)
