"""Where nobody speaks, per video frame: for poses that come to rest in pauses."""

from __future__ import annotations

import numpy as np

from ..poses import POSE_FPS
from ..speech.features import SpeechFeatures
from ..speech.loudness import frame_rms, voice_loudness
from ..speech.recording import SPEECH_RATE_HZ, Recording
from ..windows import stretches


def silent_frames(speech: SpeechFeatures | Recording) -> np.ndarray:
    """[T] bool, one per video frame at 25 fps: nobody speaks in it.

    Speech features hold short pauses as spoken, so a pause begins 0.16 s later in them than in a recording.
    """
    if isinstance(speech, SpeechFeatures):
        return speech.speaking.cpu().numpy() < 1
    num_frames = speech.num_frames(POSE_FPS)
    return voice_loudness(frame_rms(speech.mono_at(SPEECH_RATE_HZ), num_frames)) == 0


def pauses(silent: np.ndarray, shortest_frames: float, ease_frames: float) -> np.ndarray:
    """[T] 0..1: how deep in a pause this frame is. Exactly 0 outside of pauses of ``shortest_frames``, 1 from
    ``ease_frames`` within one; a recording that begins or ends silent begins or ends at 1."""
    share = np.zeros(len(silent))
    for start, stop in stretches(silent):
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
