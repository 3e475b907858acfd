"""``mmgt batch``: a manifest of clips -> their videos, by all accelerators of this machine or of a Ray cluster."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .stage_one import add_sampling_options
from .terminal import Commands, add_models_option
from .video_options import add_look_options

if TYPE_CHECKING:
    from ..batch import Clip, Status

SOME_FAILED = 3  # exit code


def add_parser(commands: Commands) -> None:
    batch = commands.add_parser(
        "batch",
        help="make many clips, listed in a file, on all accelerators of this machine or of a Ray cluster",
        description="A line of the manifest is a JSON object: id, image, audio or poses (or both), and if you like "
        "initial_pose, vocals, seed, settings (an object of the options below, with _ for -). A clip that is there "
        "already is not made again. For each of the others a JSON line is printed: id, ok, seconds, frames_per_s, "
        f"output, error. One that fails does not stop the rest; then the command ends with code {SOME_FAILED}.",
    )
    add = batch.add_argument
    add("manifest", type=Path, metavar="MANIFEST.jsonl", help="a JSON object a line; paths are seen from its folder")
    add(
        "--out",
        required=True,
        metavar="DIR",
        help="where ID.mp4 and status/ID.json go: a folder, or s3://..., gs://...",
    )
    add("--ray", metavar="ADDRESS", help="on a Ray cluster: its address, auto, or local for one of this machine")
    workers = "clips at a time (default: one for each accelerator; without any: one, or one for each machine of --ray)"
    add("--workers", type=int, metavar="N", help=workers)
    add_models_option(batch)
    add("--rhythm", action="store_true", help="poses by rules (Rhythm Audio2Pose) instead of by SMGA")
    add_sampling_options(batch)
    add_look_options(batch)
    batch.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..batch import Outputs, read_manifest
    from ..standalone.options import OPTIONS

    if args.workers is not None and not 1 <= args.workers <= 1024:
        raise InputError(f"--workers is {args.workers}; give 1 to 1024, or leave it out.")
    settings = {name: getattr(args, name) for name in OPTIONS}
    manifest, outputs = read_manifest(args.manifest, settings), Outputs(args.out)
    outputs.prepare()
    finished = outputs.finished()
    waiting = [clip for clip in manifest.clips if clip.id not in finished]
    num_finished = len(manifest.clips) - len(waiting)
    said = f"{len(waiting)} clips to make, {num_finished} finished already"
    print(f"mmgt: {said}, {len(manifest.refused)} refused", file=sys.stderr, flush=True)
    models = None if args.models is None else str(args.models.absolute())
    num_failed = _tell(_all(manifest.refused, waiting, args, models), manifest.num_lines, num_finished)
    return SOME_FAILED if num_failed else 0


def _all(
    refused: tuple[Status, ...], waiting: list[Clip], args: argparse.Namespace, models: str | None
) -> Iterator[Status]:
    from ..batch import AnimateClip, make_by_processes

    yield from refused
    if not waiting:
        return
    arguments: dict[str, Any] = {
        "out": args.out if "://" in args.out else str(Path(args.out).absolute()),
        "models": models,
    }
    if args.ray is None:
        yield from make_by_processes(waiting, partial(AnimateClip, **arguments), args.workers)
    else:
        from ..batch.on_ray import make_on_ray

        yield from make_on_ray(waiting, arguments, args.ray, args.workers)


def _tell(statuses: Iterator[Status], num_lines: int, num_finished: int) -> int:
    """Print each status as a line of JSON, and a bar with the time left on a terminal; how many failed."""
    from tqdm import tqdm

    num_failed, lines = 0, sys.stdout
    bar = tqdm(total=num_lines, initial=num_finished, unit="clip", disable=not sys.stderr.isatty())
    with bar, redirect_stdout(sys.stderr):  # Ray prints there what its cluster tells
        for status in statuses:
            with tqdm.external_write_mode():
                print(json.dumps(status.row(), ensure_ascii=False), file=lines, flush=True)
            num_failed += not status.ok
            bar.set_postfix(failed=num_failed, refresh=False)
            bar.update()
    return num_failed
