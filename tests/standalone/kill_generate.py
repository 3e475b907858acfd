"""Real kills: `python tests/standalone/kill_generate.py [KILLS]` (default: 50).

`mmgt generate` with the shipped networks is killed by SIGKILL at random moments and given again, until it ends by
itself; then for another file, until it was killed so often. Each video must be that of a run that was left alone, byte
for byte, with nothing beside it. Prints what happened so far after each, as JSON.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["SOURCE_DATE_EPOCH"] = "1764547200"

import soundfile
import torch

from mmgt import unfinished_run
from mmgt.assets import PRESENTER, PRESENTER_POSE, SPEECH
from mmgt.cli import main as run
from mmgt.media import read_recording
from mmgt.mmhaa import kept
from mmgt.standalone import animate  # all libraries, before the first fork

kept.WINDOWS_KEPT_AT_ONCE, unfinished_run.PART_FRAMES = 1, 4  # many moments to be killed at
OPTIONS = "--size 64x64 --preset small --window 4 --overlap 1 --smga-steps 3 --smga-guidance 1 --device cpu"


def begun(speech: Path, out: Path) -> int:
    """A process of its own that makes a video, forked as it has all libraries then."""
    child = os.fork()
    if child:
        return child
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os._exit(run(words_for(speech, out)))


def words_for(speech: Path, out: Path) -> list[str]:
    return f"generate --image {PRESENTER} --audio {speech} --poses {PRESENTER_POSE} --out {out} {OPTIONS}".split()


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state_of(out: Path) -> str:
    """How far a run was that has just been killed."""
    if out.is_file():
        return "written"
    names = [path.name for path in out.parent.glob(".*/*/*")]
    for kind in ("frames", "step", "windows", "made"):
        if any(name.startswith(kind) for name in names):
            return {"frames": "decoding", "made": "begun"}.get(kind, "sampling")
    return "begun" if names else "nothing kept"


def main(num_kills: int = 50) -> None:
    torch.set_num_threads(1)
    assert animate
    draws, killed, kinds, equal, strays = random.Random(0), 0, Counter(), [], []
    with tempfile.TemporaryDirectory() as place:
        speech, recording = Path(place, "speech.wav"), read_recording(SPEECH)
        soundfile.write(speech, recording.samples[0, : recording.rate_hz // 2], recording.rate_hz)
        whole, again = Path(place, "whole.mp4"), Path(place, "again.mp4")
        assert run(words_for(speech, whole)) == 0  # in this process: what is compiled and cached, forked ones have
        began = time.monotonic()
        assert ended(begun(speech, again)) == 0
        seconds = time.monotonic() - began
        while killed < num_kills:
            out = Path(place, f"clip-{len(equal)}", "clip.mp4")
            out.parent.mkdir()
            while not out.exists():
                child = begun(speech, out)
                if killed < num_kills:
                    time.sleep(draws.uniform(0, seconds))
                    os.kill(child, signal.SIGKILL)
                code = ended(child)
                assert code in (0, -signal.SIGKILL), code
                if code:
                    killed += 1
                    kinds[state_of(out)] += 1
            if any(out.parent.glob(".*")):  # killed between the name and the end: the next command for it says so
                assert ended(begun(speech, out)) == 2
            equal.append(out.read_bytes() == whole.read_bytes())
            strays += [path.name for path in out.parent.iterdir() if path != out]
            told = {"kills": killed, "killed_while": kinds, "seconds_of_a_run": round(seconds, 1), "videos": len(equal)}
            print(json.dumps({**told, "equal_to_the_byte": sum(equal), "files_beside_them": strays}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
