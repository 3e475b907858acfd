"""Real kills: `python tests/training/kill_runs.py smga|image|video [KILLS]`.

A run is killed by SIGKILL at random moments and begun again until it was killed so often; then it runs to its end. Its
weights and its state must be those of a run that was left alone, bit for bit. Prints what happened, as JSON.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from clip_sets import swaying_set
from safetensors.torch import load_file
from video_sets import NARROW, SIDE_PX, moving_square

from mmgt.training.clips import ClipSet
from mmgt.training.mmhaa import Drops, MMHAATraining, train_mmhaa
from mmgt.training.run import STATE, Run
from mmgt.training.smga import SMGATraining, train_smga
from mmgt.training.video_set import VideoSet

SAVE_EVERY = 2
SMGA = SMGATraining(num_steps=24, batch=2, width=16, feed_forward_width=32, num_layers=1, num_heads=2)
IMAGE = MMHAATraining(
    process="image",
    seed=0,
    num_steps=24,
    batch=2,
    side_px=SIDE_PX,
    speech_kind="handcrafted",
    learning_rate=1e-3,
    average_decay=0.5,
    drops=Drops(0.3, 0.3),
    sizes=NARROW,
)
TRAININGS = {"smga": SMGA, "image": IMAGE, "video": replace(IMAGE, process="video", batch=1, num_frames=2)}


def train(settings, data: Path, out: Path, progress) -> None:
    if isinstance(settings, SMGATraining):
        train_smga(data, out, settings, save_every=SAVE_EVERY, progress=progress)
    else:
        videos = VideoSet(ClipSet(data), SIDE_PX, filmed=moving_square)
        train_mmhaa(videos, out, settings, save_every=SAVE_EVERY, progress=progress)


def begun(settings, data: Path, out: Path) -> tuple[int, int]:
    """A process of its own that trains, forked as it has all libraries then; and where it writes a byte every step."""
    steps, written = os.pipe()
    child = os.fork()
    if child:
        os.close(written)
        return child, steps
    try:
        train(settings, data, out, lambda *_: os.write(written, b"."))
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(1)


def ended(child: int, steps: int) -> int:
    os.close(steps)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(name: str, num_kills: int = 5) -> None:
    torch.set_num_threads(1)
    settings, draws = TRAININGS[name], random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / part for part in ("set", "whole", "killed"))
        swaying_set(data, num_frames=100)
        began = time.monotonic()
        assert ended(*begun(settings, data, whole)) == 0
        seconds_a_step, killed_after = (time.monotonic() - began) / settings.num_steps, []
        while len(killed_after) < num_kills:
            child, steps = begun(settings, data, killed)
            for _ in range(draws.randint(1, 4)):
                os.read(steps, 1)
            time.sleep(draws.uniform(0, 1.5) * seconds_a_step)
            os.kill(child, signal.SIGKILL)
            if ended(child, steps) != -signal.SIGKILL:
                break  # it had come to its end
            killed_after.append(int(Run(killed).metadata().get("step", 0)))
        leftovers = sorted(path.name for path in killed.glob(".*.unfinished*"))
        assert ended(*begun(settings, data, killed)) == 0
        states = [load_file(run / STATE) for run in (whole, killed)]
        newest = "smga.safetensors" if name == "smga" else f"net-{settings.num_steps}.safetensors"
        states += [load_file(run / newest) for run in (whole, killed)]
        equal = all(
            a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) for a, b in (states[:2], states[2:])
        )
        files = [sorted(path.name for path in run.rglob("*") if path.is_file()) for run in (whole, killed)]
        print(json.dumps({"step_saved_at_each_kill": killed_after, "half_written": leftovers}))
        print(json.dumps({"kills": len(killed_after), "equal_to_the_bit": equal, "same_files": files[0] == files[1]}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
