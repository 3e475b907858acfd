"""Where nobody speaks, per video frame: for poses that come to rest in pauses."""

from __future__ import annotations

import numpy as np

from ..audio import Recording
from ..features import NUM_HANDCRAFTED, SpeechFeatures
from ..poses import POSE_FPS
from ..rhythm import frame_loudness

LOG_POWER = -NUM_HANDCRAFTED + 1  # column of the first MFCC: mean level of the mel bands in dB, times sqrt(bands)
SQRT_BANDS = np.sqrt(128.0)
GATE_DB = 20.0  # below the speech level
GATE_SHARE = 0.7  # of the way from speech to the quietest moments, where room noise lies nearer to the speech than that


def silent_frames(speech: SpeechFeatures | Recording) -> np.ndarray:
    """[T] bool, one per video frame at 25 fps: the loudness of a recording is 0 as Rhythm Audio2Pose hears it.

    Of features only the mean level over the mel bands is known, so quiet breaths may count as speech.
    """
    if isinstance(speech, Recording):
        return frame_loudness(_frame_rms(speech)) == 0
    level_db = speech.gesture[:, LOG_POWER].double().cpu().numpy() / SQRT_BANDS
    quiet_db, speech_db = np.percentile(level_db, [2, 95])
    return level_db < speech_db - min(GATE_DB, GATE_SHARE * (speech_db - quiet_db))


def _frame_rms(recording: Recording) -> np.ndarray:
    """[T] root mean square of each video frame; the last one may be shorter."""
    power = recording.mono().astype(np.float64) ** 2
    num_frames = recording.num_frames(POSE_FPS)
    starts = (np.arange(num_frames) * recording.rate_hz) // POSE_FPS
    lengths = np.diff(np.append(starts, len(power)))
    return np.sqrt(np.add.reduceat(power, starts) / np.maximum(lengths, 1))


def pauses(silent: np.ndarray, shortest_frames: float, ease_frames: float) -> np.ndarray:
    """[T] 0..1: how deep in a pause this frame is. Exactly 0 outside of pauses of ``shortest_frames``, 1 from
    ``ease_frames`` within one; a recording that begins or ends silent begins or ends at 1."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]])))
    share = np.zeros(len(silent))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < shortest_frames:
            continue
        frames = np.arange(start, stop)
        since = np.full(len(frames), np.inf) if start == 0 else frames - start + 1.0
        until = np.full(len(frames), np.inf) if stop == len(silent) else stop - frames + 0.0
        share[frames] = smooth_step(np.minimum(since, until) / max(ease_frames, 1.0))
    return share


def smooth_step(x: np.ndarray) -> np.ndarray:
    """0 up to x = 0, 1 from x = 1, without a jerk in between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
