"""``mmgt bench batch``: what the engine of a batch costs beside the clips themselves."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..assets import PRESENTER, PRESENTER_POSE, SPEECH
from ..batch import AnimateClip, Clip, Status, make_by_processes
from ..batch.outputs import STATUS
from .measure import machine

SETTINGS = {"size": "64x64", "preset": "small", "steps": 1, "smga_steps": 5, "smga_guidance": 1}


def bench_batch(num_runs: int = 8) -> dict[str, Any]:
    """Clips of the bundled speech (7.4 s, 64 x 64 px) by the shipped networks, one worker; and by Ray, where it is.

    num_runs: counted clips, after a first one that starts the worker and loads the networks. overhead: of the time from
    the first clip's end to the last one's, the share that no clip was worked on.
    """
    clips = [
        Clip(
            f"clip-{seed}", str(PRESENTER), str(SPEECH), initial_pose=str(PRESENTER_POSE), seed=seed, settings=SETTINGS
        )
        for seed in range(num_runs + 1)
    ]
    measured = {"processes": _measured(clips, _by_processes)}
    if find_spec("ray") is not None:
        measured["ray"] = _measured(clips, _by_ray)
    return {"bench": "batch", "clips": num_runs, **machine(), **measured}


def _by_processes(clips: list[Clip], out: str) -> Iterator[Status]:
    return make_by_processes(clips, partial(AnimateClip, out), 1)


def _by_ray(clips: list[Clip], out: str) -> Iterator[Status]:
    from ..batch.on_ray import make_on_ray

    return make_on_ray(clips, {"out": out}, "local", 1)


def _measured(clips: list[Clip], make: Any) -> dict[str, float]:
    """When a clip has ended says the time of its status file: Ray tells of it later, over the next one's work."""
    with tempfile.TemporaryDirectory() as out:
        began, told = time.time(), {}
        for status in make(clips, out):
            if not status.ok:
                raise RuntimeError(status.error)
            told[status.id] = status.seconds
        ends = {path.stem: path.stat().st_mtime for path in Path(out, STATUS).iterdir()}
    first, *others = sorted(ends, key=lambda clip_id: ends[clip_id])
    work = sum(told[clip_id] for clip_id in others)
    return {
        "start_s": round(ends[first] - began, 2),
        "work_s": round(work, 2),
        "overhead": round((ends[others[-1]] - ends[first] - work) / work, 4),
    }
