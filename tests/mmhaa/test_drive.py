"""What drives a video: parts that fit each other, made for the frames that are asked for."""

import logging
from dataclasses import replace

import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.mmhaa.drive import drive_video
from mmgt.mmhaa.masks import MaskOptions
from mmgt.mmhaa.pictures import PictureSize
from mmgt.pose_files import load_poses
from mmgt.poses import PoseSequence
from mmgt.speech.features import SpeechFeatures

SIZE = PictureSize(72, 56)  # on a canvas of 128 x 64 px


def poses(num_frames=6, fps=25.0):
    still = load_poses(ASTRONAUT_POSE)
    keypoints = still.keypoints.repeat(num_frames, 1, 1) + torch.linspace(0, 0.1, num_frames)[:, None, None]
    return PoseSequence(keypoints, still.score.repeat(num_frames, 1), fps, still.height_px, still.width_px)


def speech(num_frames=6, wav2vec2=True):
    video = torch.zeros(num_frames, 12, 768) if wav2vec2 else None
    return SpeechFeatures(torch.zeros(num_frames, 35), video, num_frames, 25.0, torch.ones(num_frames))


def test_a_network_without_wav2vec2_hears_the_handcrafted_features():
    wide = speech(6, wav2vec2=False)
    wide = replace(wide, gesture=torch.arange(6 * 1059.0).reshape(6, 1059))
    heard = drive_video(SIZE, poses=poses(), speech=wide, hears="handcrafted").speech
    assert heard.shape == (6, 1, 35)
    torch.testing.assert_close(heard[:, 0], wide.gesture[:, 1024:])


def test_poses_are_drawn_and_masked_frame_by_frame():
    drive = drive_video(SIZE, poses=poses())
    assert drive.num_frames == 6
    both, second = drive.pictures([0, 5]), drive.pictures([5])
    assert both.shape == (2, 3, 128, 64)
    torch.testing.assert_close(both[1:], second)
    assert (both[0] != both[1]).any()  # the person moved
    assert both[:, :, 72:].abs().max() == 0  # the canvas' padding is black
    levels = drive.masks([0, 5])
    assert [tuple(level.shape) for level in levels] == [(3, 2, 16 * 8), (3, 2, 8 * 4), (3, 2, 4 * 2)]
    full, _face, lip = levels[0]
    torch.testing.assert_close(full, 1 + lip)
    assert (levels[0][:, 0] != levels[0][:, 1]).any()


def test_a_window_costs_the_same_in_a_long_video(monkeypatch):
    """Nothing is done to frames that were not asked for: an hour has 90,000, and thousands of windows."""
    drive, looked_at, check = drive_video(SIZE, poses=poses(500)), [], PoseSequence.__post_init__
    monkeypatch.setattr(PoseSequence, "__post_init__", lambda self: looked_at.append(self.num_frames) or check(self))
    drive.pictures([3, 4])
    drive.masks([3, 4])
    assert set(looked_at) == {2}


def test_given_pictures_and_masks_take_the_place_of_drawn_ones():
    red = torch.zeros(4, 72, 56, 4)
    red[..., 0] = 1
    red[2] = 0
    face, lips = torch.zeros(1, 36, 28), torch.zeros(4, 36, 28)
    face[:, :10], lips[1, 20:] = 1, 1
    drive = drive_video(SIZE, pose_pictures=red, face_mask=face, lip_mask=lips)
    shown = drive.pictures([1, 2])
    assert shown[0, 0, :72, :56].min() == 1
    assert shown[0, 1:].max() == shown[1].max() == 0
    _, face_level, lip_level = drive.masks([0, 1])[0]
    assert (face_level[0] == face_level[1]).all()  # one frame holds for all
    assert lip_level[0].max() == 0 < lip_level[1].max()


def test_pictures_alone_let_the_speech_act_everywhere_alike(caplog):
    drive = drive_video(SIZE, pose_pictures=torch.zeros(2, 8, 8, 3), speech=speech(2))
    full, face, lip = drive.masks([0, 1])[0]
    assert full.min() == full.max() == 1
    assert face.abs().max() == lip.abs().max() == 0
    assert "acts on the whole picture alike" in caplog.text


def test_the_shorter_one_of_poses_and_speech_decides(caplog):
    caplog.set_level(logging.INFO, "mmgt")
    assert drive_video(SIZE, poses=poses(6), speech=speech(4)).num_frames == 4
    assert drive_video(SIZE, poses=poses(6), speech=speech(9)).num_frames == 6
    assert "poses last 6 frames, speech 9; the video has 6" in caplog.text
    assert drive_video(SIZE, poses=poses(12, fps=50.0)).num_frames == 6  # resampled in time to 25 fps


def test_a_region_without_a_mask_takes_the_poses():
    own, made = torch.zeros(1, 30, 30), drive_video(SIZE, poses=poses()).masks([0, 5])[0]
    own[:, 20:] = 1
    full, face, lip = drive_video(SIZE, poses=poses(), face_mask=own).masks([0, 5])[0]
    torch.testing.assert_close(torch.stack([full, lip]), made[[0, 2]])
    assert (face != made[1]).any()


PICTURES = {"pose_pictures": torch.zeros(6, 8, 8, 3)}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "nothing to move by"),
        ({"pose_pictures": torch.zeros(0, 8, 8, 3)}, "0 frames"),
        ({**PICTURES, "face_mask": torch.zeros(6, 8, 8)}, "no lips mask, and there are no poses"),
        ({**PICTURES, "lip_mask": torch.zeros(6, 8, 8)}, "no face mask, and there are no poses"),
        ({**PICTURES, "mask_options": MaskOptions("hands")}, "nothing says where the hands are"),
        ({"poses": poses(), "hands_mask": torch.zeros(5, 8, 8)}, "there are 5 hands masks for 6 frames of poses"),
        (
            {"poses": poses(), "face_mask": torch.zeros(5, 8, 8), "lip_mask": torch.zeros(6, 8, 8)},
            "there are 5 face masks for 6 frames of poses",
        ),
        (
            {"poses": poses(), "pose_pictures": torch.zeros(5, 8, 8, 3)},
            "the poses have 6 frames at 25 fps and the pose pictures 5",
        ),
        ({**PICTURES, "face_mask": torch.zeros(5, 8, 8)}, "there are 5 face masks for 6 frames of pose pictures"),
        ({"poses": poses(), "hands_mask": torch.zeros(6, 8, 8)}, "the hands mask would act nowhere"),
        ({"poses": poses(1), "speech": speech(8)}, "one frame of poses, but the speech has 8"),
        ({"poses": poses(), "speech": speech(6, wav2vec2=False)}, "encoded without wav2vec2"),
    ],
)
def test_what_does_not_fit_is_one_sentence(given, says):
    with pytest.raises(InputError, match=says):
        drive_video(SIZE, **given)


@pytest.mark.parametrize(
    ("photo", "wanted", "size", "latent"),
    [
        ((512, 512), (0, 0), (512, 512), (64, 64)),
        ((1013, 37), (0, 0), (2680, 98), (336, 16)),
        ((900, 600), (0, 320), (480, 320), (64, 40)),
        ((900, 600), (384, 0), (384, 256), (48, 32)),
        ((900, 600), (100, 100), (100, 100), (16, 16)),
    ],
)
def test_sizes(photo, wanted, size, latent):
    made = PictureSize.of_photo(*photo, *wanted)
    assert (made.height_px, made.width_px) == size
    assert made.latent_shape == latent


def test_a_size_beyond_the_limit():
    for size in ((0, 4097), (7, 7), (0, 31)):
        with pytest.raises(InputError, match="32 to 4096 px"):
            PictureSize.of_photo(10, 1000, *size)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((6, 16, 16, 8), "connect the LATENT of MM-HAA Conditioning, or of a video of as many frames"),
        ((5, 4, 16, 8), "or of a video of as many frames"),
        ((6, 4, 24, 12), r"by Upscale Latent to 64x128 px, on which a video of 56x72 px is made\.$"),
        ((6, 4, 24, 16), "of 56x72 px is made, or set width to 128 and height to 192"),
    ],
)
def test_latents_of_another_video_are_told_what_would_fit(shape, says):
    """A size that is no multiple of 64 px can be reached by no width and height: then only the enlarging helps."""
    drive = drive_video(SIZE, poses=poses())
    drive.check_latents((6, 4, 16, 8))
    with pytest.raises(InputError, match=says) as error:
        drive.check_latents(shape)
    assert str(list(shape)) in str(error.value)
