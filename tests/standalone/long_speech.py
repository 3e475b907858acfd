"""A long speech by the shipped networks: `python tests/standalone/long_speech.py MINUTES [SIDE_PX [STEPS]]`.

Memory must stay flat, and colour and person the same: a drawn presenter speaks the bundled speech over and over, and
each minute of the video is compared with the presenter drawn in its poses. Prints a JSON object.
"""

import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil

from mmgt.assets import SPEECH
from mmgt.evaluation.frames import psnr
from mmgt.media import VideoStream, read_recording
from mmgt.mmhaa.presets import PRESETS
from mmgt.smga.sample import SamplerSettings
from mmgt.speech.recording import Recording
from mmgt.standalone.animate import AnimateSettings, animate
from mmgt.standalone.speech_to_poses import PoseSettings
from mmgt.standalone.video import VideoSettings
from mmgt.world import draw_frames, portrait

FRAMES_A_MINUTE = 25 * 60


class Memory(threading.Thread):
    """Resident MB of this process, with the time in s, twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.began, self.seen = time.monotonic(), []

    def run(self) -> None:
        process = psutil.Process()
        while True:
            self.seen.append((time.monotonic() - self.began, process.memory_info().rss / 2**20))
            time.sleep(0.5)

    def most(self, since_s: float, until_s: float) -> float:
        return round(max((mb for at, mb in self.seen if since_s <= at <= until_s), default=0.0), 1)


def main(minutes: float, side_px: int = 64, num_steps: int = 1) -> None:
    person, speech = portrait(2**31, side_px), read_recording(SPEECH)
    num_samples = round(minutes * 60 * speech.rate_hz)
    samples = np.tile(speech.samples, (1, num_samples // speech.samples.shape[1] + 1))[:, :num_samples]
    preset = replace(PRESETS["small"], num_steps=num_steps)
    settings = AnimateSettings(
        PoseSettings(sampler=SamplerSettings(10, 1.0)), VideoSettings(side_px, side_px, preset, device="cpu")
    )
    memory, phases = Memory(), {}
    memory.start()

    def progress(label):
        def show(step: int, total: int) -> None:
            at = time.monotonic() - memory.began
            first, half, _ = phases.get(label, (at, at, at))
            phases[label] = (first, at if step <= total / 2 else half, at)

        return show

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "long.mp4")
        made = animate(
            person.picture, Recording(samples, speech.rate_hz), out, None, settings, initial_pose=person.pose,
            progress=progress,
        )  # fmt: skip
        whole_s = time.monotonic() - memory.began
        minutes_seen = compared(out, draw_frames(person.identity, made.poses, side_px, side_px))
        size_mb = round(out.stat().st_size / 2**20, 1)
    told = {}
    for label, (first, half, last) in phases.items():
        most = [memory.most(first, half), memory.most(half, last)]
        told[label] = {"seconds": round(last - first, 1), "mb_by_half": most}
    print(
        json.dumps(
            {
                "minutes": minutes,
                "frames": made.poses.num_frames,
                "side_px": side_px,
                "steps": num_steps,
                "seconds": round(whole_s, 1),
                "video_mb": size_mb,
                "memory": told,
                "by_minute": minutes_seen,
            }
        )
    )


def compared(video: Path, truth) -> list[dict[str, object]]:
    """Of each minute: the mean colour, the truth's, and the PSNR of frames against it."""
    told, frames, errors = [], [], []
    for number, ((_, frame), true) in enumerate(zip(VideoStream(video), truth, strict=False), 1):
        frames.append((frame.mean((0, 1)), true.mean((0, 1))))
        errors.append(np.mean((frame.astype(np.float32) - true) ** 2))
        if number % FRAMES_A_MINUTE == 0:
            told, frames, errors = [*told, _minute(frames, errors)], [], []
    return [*told, _minute(frames, errors)] if frames else told


def _minute(frames: list[tuple[np.ndarray, np.ndarray]], errors: list[float]) -> dict[str, object]:
    colour, true = (np.mean([pair[which] for pair in frames], axis=0).round(2).tolist() for which in (0, 1))
    return {"mean_rgb": colour, "mean_rgb_of_truth": true, "psnr_db": round(psnr(float(np.mean(errors))), 2)}


if __name__ == "__main__":
    main(float(sys.argv[1]), *map(int, sys.argv[2:]))
