"""``mmgt pose2video``: a portrait moved by given poses -> a video, by MM-HAA."""

from __future__ import annotations

import argparse
from pathlib import Path

from .stage_one import add_canvas_option, canvas_of
from .terminal import Commands, show_progress
from .video_options import add_mask_files, add_video_options, read_masks, video_settings_of


def add_parser(commands: Commands) -> None:
    pose2video = commands.add_parser("pose2video", help="move a portrait by given poses, by MMGT's video network")
    pose2video.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    pose2video.add_argument(
        "--poses", type=Path, required=True, metavar="P", help="pose file (.json), or a video of drawn poses"
    )
    pose2video.add_argument("--audio", type=Path, metavar="A", help="speech that the lips follow; the video's sound")
    pose2video.add_argument("--vocals", type=Path, metavar="FILE", help="the voice alone; encoded instead of --audio")
    add_canvas_option(pose2video)
    add_mask_files(pose2video)
    add_video_options(pose2video)
    pose2video.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + poses (+ recording) -> video (MM-HAA)."""
    from ..memory import reuse_freed_memory
    from ..pose_files import load_poses
    from ..standalone.animate import animate_poses
    from ..standalone.devices import choose_device

    settings, canvas = video_settings_of(args), canvas_of(args.canvas)
    poses = load_poses(args.poses, canvas) if args.poses.suffix.lower() == ".json" else args.poses
    if choose_device(args.device).type == "cpu":
        reuse_freed_memory()
    animate_poses(
        args.image,
        poses,
        args.out,
        args.models,
        settings,
        seed=args.seed,
        recording=args.audio,
        vocals=args.vocals,
        masks=read_masks(args),
        progress=show_progress,
        decoder=args.decoder,
    )
    print(f"done: {args.out}")
