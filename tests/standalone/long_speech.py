"""A long speech by the shipped networks: `python tests/standalone/long_speech.py MINUTES [--help]`.

Memory must stay flat, and colour and person the same: a drawn presenter speaks the bundled speech over and over, and
each minute of the video is compared with the presenter drawn in its poses. `--killed-in sampling decoding` ends the
run by SIGKILL halfway through these stages, and gives it again after each. Prints a JSON object a run.
"""

import argparse
import json
import os
import signal
import subprocess
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

FRAMES_A_MINUTE, COMPARED_EVERY = 25 * 60, 10
STAGES = ("SMGA", "sampling", "decoding")


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


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("minutes", type=float)
    asked.add_argument("--side", type=int, default=64, help="of the video in px (64)")
    asked.add_argument("--steps", type=int, default=1, help="of stage II (1); a run is killed between steps")
    asked.add_argument("--killed-in", nargs="*", choices=STAGES, default=[], help="once in each, in this order")
    asked.add_argument("--out", type=Path, help=argparse.SUPPRESS)  # of a run that this command begins
    asked.add_argument("--dies-in", choices=STAGES, help=argparse.SUPPRESS)
    args = asked.parse_args()
    if args.out:
        speak(args.minutes, args.side, args.steps, args.out, args.dies_in)
        return
    with tempfile.TemporaryDirectory() as folder:
        video = ["--out", str(Path(folder, "long.mp4")), "--side", str(args.side), "--steps", str(args.steps)]
        for stage in [*args.killed_in, None]:
            words = [sys.executable, __file__, str(args.minutes), *video, *(["--dies-in", stage] if stage else [])]
            ended = subprocess.run(words, check=False).returncode
            assert ended == (-signal.SIGKILL if stage else 0), ended
        strays = [path.name for path in Path(folder).iterdir() if path.name != "long.mp4"]
        assert not strays, strays


def speak(minutes: float, side_px: int, num_steps: int, out: Path, dies_in: str | None) -> None:
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
            if label == dies_in and step >= total / 2:
                tell(killed_in=label)
                os.kill(os.getpid(), signal.SIGKILL)

        return show

    def tell(**others: object) -> None:
        told = {}
        for label, (first, half, last) in phases.items():
            most = [memory.most(first, half), memory.most(half, last)]
            told[label] = {"seconds": round(last - first, 1), "mb_by_half": most}
        seconds = round(time.monotonic() - memory.began, 1)
        common = {"minutes": minutes, "side_px": side_px, "steps": num_steps, "seconds": seconds}
        print(json.dumps({**common, "memory": told, **others}), flush=True)

    made = animate(
        person.picture, Recording(samples, speech.rate_hz), out, None, settings, initial_pose=person.pose,
        progress=progress,
    )  # fmt: skip
    shown = range(0, made.poses.num_frames, COMPARED_EVERY)
    truth = draw_frames(person.identity, made.poses.at(shown), side_px, side_px)
    tell(
        frames=made.poses.num_frames,
        video_mb=round(out.stat().st_size / 2**20, 1),
        by_minute=compared(out, truth),
    )


def compared(video: Path, truth) -> list[dict[str, object]]:
    """Of each minute: the mean colour, the truth's, and the PSNR of frames against it, of every tenth frame."""
    told, frames, errors = [], [], []
    seen = (frame for idx, (_, frame) in enumerate(VideoStream(video)) if idx % COMPARED_EVERY == 0)
    for number, (frame, true) in enumerate(zip(seen, truth, strict=False), 1):
        frames.append((frame.mean((0, 1)), true.mean((0, 1))))
        errors.append(np.mean((frame.astype(np.float32) - true) ** 2))
        if number % (FRAMES_A_MINUTE // COMPARED_EVERY) == 0:
            told, frames, errors = [*told, _minute(frames, errors)], [], []
    return [*told, _minute(frames, errors)] if frames else told


def _minute(frames: list[tuple[np.ndarray, np.ndarray]], errors: list[float]) -> dict[str, object]:
    colour, true = (np.mean([pair[which] for pair in frames], axis=0).round(2).tolist() for which in (0, 1))
    return {"mean_rgb": colour, "mean_rgb_of_truth": true, "psnr_db": round(psnr(float(np.mean(errors))), 2)}


if __name__ == "__main__":
    main()
