"""Small training sets for stage II: swaying presenters, drawn as flat colours."""

from dataclasses import replace

import numpy as np
from clip_sets import swaying_set

from mmgt.training.new_networks import TINY
from mmgt.training.video_set import VideoSet

SIDE_PX = 64
NARROW = replace(
    TINY, widths=(32, 32, 64, 64), num_heads=2, motion_heads=2, pose_widths=(4, 4, 4, 4), speech_hidden=8, num_tokens=2,
    token_width=8, num_groups=32,
)  # fmt: skip


def moving_square(clips, entry, frames, side_px, person=None):
    """A square of the clip's own colour that moves with the frame's number."""
    pictures = np.full((len(frames), side_px, side_px, 3), 40, np.uint8)
    colour = 60 + 50 * clips.entries.index(entry)
    for picture, frame in zip(pictures, frames, strict=True):
        x = 8 * (frame % (side_px // 8 - 2))
        picture[side_px // 4 : -side_px // 4, x : x + 16] = colour, 200, 255 - colour
    return pictures


def square_set(folder, num_clips=3, num_frames=40, **kw):
    return VideoSet(swaying_set(folder, num_clips, num_frames), SIDE_PX, filmed=moving_square, **kw)
