"""Real kills: `python tests/comfy/kill_server.py [KILLS] [SEED]` (default: 10 0), Linux only.

A ComfyUI (which one: ``comfyui.py``) that makes a video of `workflows/api/audio_to_video_small.json`, ended by Decode
Video to File, is killed by SIGKILL at random moments of its computing, up to three times; started again and queued
again, it must make it; then for another file, until it was killed so often. Each video must be that of a server that
was left alone, byte for byte, and the folders output, input and temp, and the system's for temporary files, must hold
nothing besides. Prints what happened so far after each video, as JSON.
"""

import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from math import inf
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[at] / folder) for at, folder in ((1, ""), (1, "mmhaa"), (2, ""))]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from comfyui import REPOSITORY, Server, outputs_of, started
from small_networks import write_small_networks

from mmgt.weights.catalog import VAE

GRAPH = REPOSITORY / "workflows" / "api" / "audio_to_video_small.json"
MADE_AT = "1764547200"
SYSTEM_TEMP = "system_temp"
KILLS_OF_A_VIDEO = 3  # at most
WATCHED = ("output", "input", "temp", SYSTEM_TEMP)


def prompt_of(name: str) -> dict:
    """The whole bundled speech at 64 px, in few steps: 186 frames, which are kept in three parts."""
    prompt = json.loads(GRAPH.read_text())
    prompt["poses"]["inputs"]["steps"] = 2
    prompt["sampler"]["inputs"].update(preset="as set here", steps=1, cfg=1.0)
    inputs = {name: value for name, value in prompt.pop("decoded")["inputs"].items() if name != "fps"}
    inputs |= {"fps": 25.0, "codec": "h264", "filename_prefix": f"{name}/video"}
    prompt["video"] = {"class_type": "MMGT_DecodeVideoToFile", "inputs": inputs}
    return prompt


def server_in(base: Path):
    """A server whose temporary files lie in ``base``, too."""
    (base / SYSTEM_TEMP).mkdir(exist_ok=True)
    return started(base, SOURCE_DATE_EPOCH=MADE_AT, TMPDIR=str(base / SYSTEM_TEMP))


def files_in(base: Path) -> set[str]:
    """All files of the watched folders, and empty folders; core's previews without their letters by chance."""
    paths = [path for folder in WATCHED for path in (base / folder).rglob("*")]
    names = (path.relative_to(base).as_posix() for path in paths if path.is_file() or not any(path.iterdir()))
    return {re.sub(r"(ComfyUI_temp_)[a-z]{5}_", r"\1", name) for name in names}


def half_written(folder: Path) -> set[Path]:
    """Of a video: a decode that is killed leaves one more, until the video is made."""
    return set(folder.glob(".*/*/*.unfinished.mp4"))


def state_of(folder: Path, before: set[Path]) -> str:
    """How far a server was that has just been killed, by the files of its video and what was half written before."""
    if any(path.suffix == ".mp4" for path in folder.glob("*")):
        return "written"
    parts = len(list(folder.glob(".*/*/*.mkv")))
    return f"{'while' if half_written(folder) - before else 'before'} decoding, {parts} of 3 parts kept"


def ended_within(server: Server, prompt_id: str, cpu_seconds: float) -> dict | None:
    """History of a prompt if it ends before the server has computed so long; the server is killed else."""
    until = server.cpu_seconds + cpu_seconds
    while server.cpu_seconds < until:
        for _ in range(50):
            time.sleep(0.02)
            if server.cpu_seconds >= until:
                break
        else:
            history = server.ended(prompt_id)
            if history:
                return history
    server.process.kill()
    server.process.wait()
    return None


def main(num_kills: int = 10, seed: int = 0) -> None:
    draws, killed, videos, equal = random.Random(seed), Counter(), [], 0
    known, strays = set(), set()
    with tempfile.TemporaryDirectory() as place:
        left_alone, base = Path(place, "whole"), Path(place, "killed")
        for each in (left_alone, base):
            write_small_networks(each / "models", 64)
            (each / "models" / VAE.folder / VAE.shipped).unlink()  # the shipped one, which takes longer
        with server_in(left_alone) as server:
            began = server.cpu_seconds
            server.run(prompt_of("clip"))
            seconds, expected = server.cpu_seconds - began, files_in(left_alone)
        whole = (left_alone / "output" / "clip" / "video_00001_.mp4").read_bytes()
        with server_in(base):
            pass  # what the first start makes
        while killed.total() < num_kills:
            name = f"clip-{len(videos)}"
            videos.append(name)
            folder, num_left, history = base / "output" / name, draws.randint(1, KILLS_OF_A_VIDEO), None
            while history is None:
                before, num_left = half_written(folder), min(num_left, num_kills - killed.total())
                with server_in(base) as server:
                    lasting = draws.uniform(0, seconds) if num_left else inf
                    history = ended_within(server, server.queue(prompt_of(name)), lasting)
                    more = files_in(base)
                if history is None:
                    killed[state_of(folder, before)] += 1
                    num_left -= 1
            outputs_of(history)
            made = sorted(folder.glob("*.mp4"))  # two where it was killed at its very end
            equal += all(path.read_bytes() == whole for path in made)
            known = {
                path.relative_to(base).as_posix() for each in videos for path in (base / "output" / each).glob("*.mp4")
            }
            strays |= more - expected - known
            told = {"kills": killed.total(), "killed": killed, "cpu_seconds_of_a_run": round(seconds, 1)}
            told |= {"videos": len(videos), "equal_to_the_byte": equal, "files_beside_them": sorted(strays)}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
