"""``mmgt bench evaluate``: what the numbers of a clip cost that need no weights."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
from ..evaluation.video import HeldFrames, evaluate_video
from ..media import read_picture, read_recording
from ..pose_files import load_poses
from ..poses import POSE_FPS
from ..preview import preview_motion
from ..rhythm import rhythm_poses
from ..speech.recording import Recording
from .measure import cpu_seconds, machine


def bench_evaluate(num_runs: int = 3, num_frames: int = 80) -> dict[str, Any]:
    """A preview of the demo's portrait (512 x 512) against another one, with poses of both, photo and speech: least CPU
    seconds, and the most memory that one evaluation takes beside its inputs, for a quarter of the frames and for all.

    Run it with one thread (`OMP_NUM_THREADS=1`) to compare with the project's limit of 3 CPU seconds for 80 frames.
    """
    import cv2

    cv2.setNumThreads(1)
    photo, still, speech = read_picture(ASTRONAUT), load_poses(ASTRONAUT_POSE), read_recording(SPEECH)
    moves = [rhythm_poses(speech, still, seed=seed).frames(0, num_frames) for seed in (0, 1)]
    video, reference = (np.stack([*preview_motion(photo, still, poses)]) for poses in moves)

    def evaluate(num: int) -> None:
        samples = speech.samples[:, : round(speech.rate_hz * num / POSE_FPS)]
        evaluate_video(
            HeldFrames(video[:num]),
            reference=HeldFrames(reference[:num]),
            recording=Recording(samples, speech.rate_hz),
            poses=moves[0].frames(0, num),
            reference_poses=moves[1].frames(0, num),
            photo=photo,
        )

    evaluate(num_frames)  # compiles what librosa needs
    lengths = num_frames // 4, num_frames
    return {
        "bench": "evaluate",
        "frames": num_frames,
        "cpu_s": round(min(cpu_seconds(partial(evaluate, num_frames)) for _ in range(num_runs)), 2),
        "peak_mib": {str(num): round(_peak_bytes(partial(evaluate, num)) / 2**20, 1) for num in lengths},
        **machine(),
    }


def _peak_bytes(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
