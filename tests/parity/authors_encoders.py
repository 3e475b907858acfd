"""How the authors give speech to wav2vec2, for comparison with the numbers that were recorded from it."""

import math
from dataclasses import replace

from mmgt.poses import POSE_FPS
from mmgt.speech.encoders import Speech
from mmgt.speech.recording import FRAME_SAMPLES, SPEECH_RATE_HZ

CLIP_FRAMES = 80


def padded_to_clips(speech: Speech, clip_frames: int = CLIP_FRAMES) -> tuple[Speech, int]:
    """The speech, padded to whole clips, and its number of frames.

    They count in float64, which makes one frame too many of some lengths.
    """
    num_frames = math.ceil(len(speech.samples) / SPEECH_RATE_HZ * POSE_FPS)
    missing = -num_frames % clip_frames
    return replace(speech, num_padding=missing * FRAME_SAMPLES), num_frames + missing
