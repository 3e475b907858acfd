"""A real Ray cluster on one machine: `python tests/batch/kill_ray.py [CLIPS]`. Needs Ray (`mmgt[batch]`).

A head and two nodes with a pretended GPU each. Of the clips one in twenty cannot be made: a recording or
a portrait that is not there, is cut off, or is none. When a fifth is done a worker is killed by SIGKILL, at two fifths
a node. Every good clip must be told and there once, equal to the byte to one made by a single run. Prints what
happened, as JSON; ends with code 1 if anything is otherwise. MMGT_KILL_DIR: a folder that keeps the files.
"""

import filecmp
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle
from pathlib import Path

from tiny_clips import MADE, rows_of, write_manifest, write_speech

os.environ.update(MADE)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's workers give way to all others of the machine, else

import psutil
import ray
from ray.cluster_utils import Cluster

from mmgt.assets import PRESENTER
from mmgt.batch import AnimateClip, Outputs, read_manifest
from mmgt.batch.on_ray import make_on_ray


def workers() -> list[psutil.Process]:
    """Processes that make clips."""
    return [one for one in psutil.process_iter(["cmdline"]) if "ClipOfRow" in " ".join(one.info["cmdline"] or [])
            and one.uids().real == os.getuid()]  # fmt: skip


def broken(folder: Path) -> list[dict[str, str]]:
    """What makes a clip one that cannot be made: other inputs, by name."""
    speech, portrait = (folder / "speech.wav").read_bytes(), PRESENTER.read_bytes()
    contents = {"cut.wav": speech[:30], "none.wav": b"no sound" * 99, "cut.png": portrait[:99], "none.png": speech}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [{"image" if name.endswith("png") else "audio": name} for name in (*contents, "missing.wav", "missing.png")]


def main(num_clips: int = 200) -> None:
    folder = Path(os.environ.get("MMGT_KILL_DIR") or tempfile.mkdtemp())
    write_speech(folder / "speech.wav")
    rows, kinds = rows_of(num_clips, "speech.wav"), cycle(broken(folder))
    for row in rows[19::20]:
        row |= next(kinds)
    good = {row["id"] for number, row in enumerate(rows, 1) if number % 20}
    clips = read_manifest(write_manifest(folder / "m.jsonl", rows), {}).clips
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    out, told, killed, began = folder / "out", [], [], time.monotonic()
    for status in make_on_ray(clips, {"out": str(out)}, cluster.address):
        told.append(status)
        if len(told) == num_clips // 5:
            victim = workers()[0]
            victim.send_signal(signal.SIGKILL)
            killed.append(f"worker {victim.pid} after {len(told)} clips")
        if len(told) == 2 * num_clips // 5:
            cluster.remove_node(nodes[1], allow_graceful=False)
            killed.append(f"a node after {len(told)} clips")
    wall = time.monotonic() - began
    ray.shutdown()
    cluster.shutdown()
    single = AnimateClip(str(folder / "single"))
    assert all(single.status_of(clip.row()).ok for clip in clips if clip.id in good)
    equal = [
        name for name in good if filecmp.cmp(out / f"{name}.mp4", folder / "single" / f"{name}.mp4", shallow=False)
    ]
    failed = {status.id: status.error for status in told if not status.ok}
    wrong = {
        "not told once": sorted(name for name, number in Counter(one.id for one in told).items() if number != 1),
        "not told": sorted({clip.id for clip in clips} - {status.id for status in told}),
        "good ones that failed": sorted(good & set(failed)),
        "good ones that are not there": sorted(good - Outputs(str(out)).finished()),
        "others that are there": sorted(Outputs(str(out)).finished() - good),
        "unlike those of the single run": sorted(good - set(equal)),
        "left over": sorted(path.name for path in out.glob(".*")),
    }
    numbers = {"clips": num_clips, "good": len(good), "equal_to_the_byte": len(equal), "killed": killed}
    seconds = {"seconds": round(wall, 1), "seconds_of_work": round(sum(status.seconds for status in told), 1)}
    print(json.dumps({**numbers, **seconds, "failed": failed, "wrong": wrong}, indent=1))
    sys.exit(any(wrong.values()) or len(killed) != 2)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
