"""Chronological negatives: a clip's speech with its words in another order (paper section 3.1).

Words are the user's (times from a file) or stretches between pauses. The paper cuts the audio and encodes it anew; a
training set holds features, so its frames are put into another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..windows import stretches

SHORTEST_FRAMES = 5  # of a segment: 0.2 s
PAUSE_SHARE = 0.2  # of the loud tenth's level; below it nobody speaks
LEAST_SEGMENTS = 3  # speech without pauses is cut where it is quietest


def cuts_at_pauses(loudness: np.ndarray) -> list[int]:
    """Loudness [T], 0 or more -> frames where speech may be cut, rising, in 1 .. T - 1.

    The middles of pauses, and where they make less than three segments, the quietest frames besides.
    """
    num_frames = len(loudness)
    quiet = loudness < PAUSE_SHARE * np.percentile(loudness, 90)
    middles = [(start + stop) // 2 for start, stop in stretches(quiet)]
    cuts: list[int] = []
    for cut in middles:
        if _has_room(cut, cuts, num_frames):
            cuts.append(cut)
    for cut in np.argsort(loudness, kind="stable").tolist():
        if len(cuts) + 1 >= LEAST_SEGMENTS:
            break
        if _has_room(cut, cuts, num_frames):
            cuts.append(cut)
    return sorted(cuts)


def cuts_at_words(words_s: Sequence[tuple[float, float]], start_frame: int, num_frames: int, fps: float) -> list[int]:
    """Words' first and last second -> cuts in the window of ``num_frames`` from ``start_frame``: where words begin."""
    cuts: list[int] = []
    for begin_s, _ in sorted(words_s):
        cut = round(begin_s * fps) - start_frame
        if _has_room(cut, cuts, num_frames):
            cuts.append(cut)
    return cuts


def _has_room(cut: int, cuts: Sequence[int], num_frames: int) -> bool:
    return all(abs(cut - other) >= SHORTEST_FRAMES for other in (0, num_frames, *cuts)) and 0 < cut < num_frames


def another_order(cuts: Sequence[int], num_frames: int, generator: torch.Generator) -> Tensor:
    """[T] int64: the frames with the segments between the cuts in another order than they were; drawn.

    Frames of a segment keep theirs. Without a cut the window is turned by half.
    """
    edges = [0, *cuts, num_frames] if cuts else [0, num_frames // 2, num_frames]
    segments = [torch.arange(start, stop) for start, stop in pairwise(edges)]
    order = torch.randperm(len(segments), generator=generator)
    if bool((order == torch.arange(len(segments))).all()):
        order = order.roll(1)
    return torch.cat([segments[idx] for idx in order.tolist()])
