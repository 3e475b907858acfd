"""Which frames the authors' stage II training draws; ``tests/parity`` holds it against what their code does."""

from __future__ import annotations

START_MARGIN = 2  # frames at both ends of a clip: their speech context reaches beyond it (and motion frames took them)
PAIR_DISTANCE = 25  # frames that a photo and the picture to learn are apart, where the clip is long enough


def start_range(clip_frames: int, num_frames: int = 12) -> range:
    """Where a window may start in a clip of stage II, and where the photo's frame may be; empty where it is too short.

    The last start that would fit is left out, as they do.
    """
    if clip_frames <= num_frames + 2 * START_MARGIN + 2:
        return range(0)
    return range(START_MARGIN, clip_frames - num_frames - START_MARGIN)


def target_range(clip_frames: int, photo_frame: int) -> range:
    """Which frames process 1 may learn for a photo: 25 frames after it, else before it, else any (itself too)."""
    distance = min(PAIR_DISTANCE, clip_frames)
    if photo_frame + distance < clip_frames:
        return range(photo_frame + distance, clip_frames)
    if photo_frame - distance > 0:
        return range(photo_frame - distance + 1)
    return range(clip_frames)
