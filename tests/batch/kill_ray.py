"""A real Ray cluster on one machine: `python tests/batch/kill_ray.py [CLIPS]`. Needs Ray (`mmgt[batch]`).

A head and two nodes with a pretended GPU each on this machine. Of the clips one in twenty cannot be made. When a fifth
is done a worker is killed by SIGKILL, when two fifths are done a node. Every good clip must be there once, equal to the
byte to one made by a single run. Prints what happened, as JSON. MMGT_KILL_DIR: a folder that keeps the files.
"""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tiny_clips import MADE, rows_of, write_manifest, write_speech

os.environ.update(MADE)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's workers give way to all others of the machine, else

import psutil
import ray
from ray.cluster_utils import Cluster

from mmgt.batch import AnimateClip, Outputs, read_manifest
from mmgt.batch.on_ray import make_on_ray


def workers() -> list[psutil.Process]:
    """Processes that make clips."""
    return [one for one in psutil.process_iter(["cmdline"]) if "ClipOfRow" in " ".join(one.info["cmdline"] or [])
            and one.uids().real == os.getuid()]  # fmt: skip


def main(num_clips: int = 60) -> None:
    folder = Path(os.environ.get("MMGT_KILL_DIR") or tempfile.mkdtemp())
    write_speech(folder / "speech.wav")
    manifest = read_manifest(write_manifest(folder / "m.jsonl", rows_of(num_clips, "speech.wav", 20)), {})
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    out, told, killed, began = folder / "out", [], [], time.monotonic()
    for status in make_on_ray(manifest.clips, {"out": str(out)}, cluster.address):
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
    good = {clip.id for clip in manifest.clips if not clip.audio.endswith("missing.wav")}
    single = AnimateClip(str(folder / "single"))
    sample = sorted(good)[:: max(1, len(good) // 10)]
    for clip in manifest.clips:
        if clip.id in sample:
            assert single.status_of(clip.row()).ok
    same = [(out / f"{name}.mp4").read_bytes() == (folder / "single" / f"{name}.mp4").read_bytes() for name in sample]
    ids = [status.id for status in told]
    print(
        json.dumps(
            {
                "clips": num_clips,
                "killed": killed,
                "told_once_each": len(ids) == len(set(ids)) == num_clips,
                "good_clips": len(good),
                "good_clips_there": len(good & Outputs(str(out)).finished()),
                "others_there": sorted(Outputs(str(out)).finished() - good),
                "failed": sorted({status.id for status in told if not status.ok}),
                "compared_with_a_single_run": len(same),
                "equal_to_the_byte": sum(same),
                "left_over": sorted(path.name for path in out.glob(".*")),
                "seconds": round(wall, 1),
                "seconds_of_work": round(sum(status.seconds for status in told), 1),
            }
        )
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
