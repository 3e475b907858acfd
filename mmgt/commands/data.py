"""``mmgt data``: training sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands, show_progress


def add_parser(commands: Commands) -> None:
    data = commands.add_parser("data", help="make and look at training sets").add_subparsers(required=True)
    synth = data.add_parser("synth", help="draw clips of presenters who do not exist (needs espeak-ng or flite)")
    synth.add_argument("num_clips", type=int, metavar="N", help="how many clips of about 7 to 14 s")
    synth.add_argument("--out", type=Path, required=True, metavar="SET", help="the set's folder; what is there is kept")
    synth.add_argument("--seed", type=int, default=0, help="other seeds, other people and sentences (default: 0)")
    synth.set_defaults(run=run_synth)
    inspect = data.add_parser("inspect", help="counts, seconds and a contact sheet of a training set")
    inspect.add_argument("folder", type=Path, metavar="SET")
    inspect.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet of pose pictures there")
    inspect.set_defaults(run=run_inspect)


def run_synth(args: argparse.Namespace) -> None:
    from ..training.synth import synthesise

    clips = synthesise(args.num_clips, args.out, args.seed, show_progress("clips"))
    print(f"done: {args.out} with {len(clips.entries)} clips")


def run_inspect(args: argparse.Namespace) -> None:
    from ..draw import draw_poses
    from ..media import check_output, contact_sheet, write_png
    from ..poses import POSE_FPS
    from ..training.clips import ClipSet

    clips = ClipSet(args.folder)
    for split in ("train", "test"):
        entries = clips.of_split(split)
        seconds = sum(entry.num_frames for entry in entries) / POSE_FPS
        speakers = sorted({entry.speaker for entry in entries})
        print(f"{split}: {len(entries)} clips, {seconds:.0f} s, speakers {', '.join(speakers) or 'none'}")
    if args.sheet:
        check_output(args.sheet)
        tiles = []
        for entry in clips.entries[:6]:
            poses = clips.poses(entry).sized(256, 256)
            tiles += list(draw_poses(poses.at([0, poses.num_frames // 3, 2 * poses.num_frames // 3]), 256, 256))
        write_png(args.sheet, contact_sheet(tiles, 6))
        print(f"done: {args.sheet}")
