"""``mmgt poses``: a filmed person -> a pose file."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands, add_models_option, show_progress


def add_parser(commands: Commands) -> None:
    poses = commands.add_parser("poses", help="the poses of a filmed person, as a pose file")
    poses.add_argument("video", type=Path, metavar="VIDEO", help="mp4, mov or webm that shows head and shoulders")
    poses.add_argument("--out", type=Path, required=True, metavar="P.json", help="the poses; must not exist yet")
    add_models_option(poses)
    orders = "how people are counted: largest, highest score or left to right (default: largest)"
    poses.add_argument("--person", metavar="ORDER", default="largest", help=orders)
    poses.add_argument("--person-index", type=int, default=0, metavar="N", help="whom to follow; 0 = first (default)")
    poses.add_argument(
        "--max-gap", type=float, default=0.5, metavar="S", help="seconds that are bridged (default: 0.5)"
    )
    poses.add_argument("--smoothing", type=float, default=1.0, metavar="X", help="0 = none, 1 = usual (default)")
    poses.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Video -> one person's poses at 25 frames a second, and a report of what was made up."""
    from ..detect.find import find_detector
    from ..media import VideoStream, check_output
    from ..pose_files import save_poses
    from ..pose_video import PoseVideoSettings, poses_of_video
    from ..provenance import Provenance, digest
    from ..provenance.record import settings_of
    from ..weights import in_models

    check_output(args.out)
    settings = PoseVideoSettings(args.person, args.person_index, args.max_gap, args.smoothing)
    film = VideoStream(args.video)
    detector = find_detector(in_models(args.models))
    poses, report = poses_of_video(detector, film, film.num_frames, settings, show_progress("poses"))
    save_poses(poses, args.out, Provenance(settings=settings_of(settings), inputs=(digest(poses),)))
    print(f"{report}\ndone: {args.out}, {poses.num_frames} frames at {poses.fps:g} fps")
