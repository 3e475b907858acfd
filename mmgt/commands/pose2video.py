"""``mmgt pose2video``: a portrait moved by given poses -> a video, by MM-HAA."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .terminal import Commands, show_progress
from .video_options import add_video_options, check_seed, check_strengths, mask_options_of, preset_of, size_of


def add_parser(commands: Commands) -> None:
    pose2video = commands.add_parser("pose2video", help="move a portrait by given poses, by MMGT's video network")
    pose2video.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    pose2video.add_argument(
        "--poses", type=Path, required=True, metavar="P", help="pose file (.json), or a video of drawn poses"
    )
    pose2video.add_argument("--audio", type=Path, metavar="A", help="speech that the lips follow; the video's sound")
    add_video_options(pose2video)
    pose2video.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + poses (+ recording) -> video (MM-HAA)."""
    from ..generate import VIDEO_WEIGHTS, choose_device, choose_dtype, filmed_drive, hear, make_video
    from ..media import check_video_output, read_picture, read_recording
    from ..mmhaa.drive import drive_video
    from ..poses import load_poses
    from ..weights.catalog import check_found, find_all

    check_video_output(args.out)
    check_seed(args.seed)
    preset, strengths, device = preset_of(args), check_strengths(args.strengths), choose_device(args.device)
    masks = mask_options_of(args)
    picture = read_picture(args.image)
    recording = None if args.audio is None else read_recording(args.audio)
    size = size_of(args.size, *picture.shape[:2])
    poses = load_poses(args.poses) if args.poses.suffix.lower() == ".json" else None
    if poses is None and masks.needs_hands:
        raise InputError(f"{args.poses.name} is a video, which does not say where the hands are; give a pose file.")

    found = find_all(args.weights)
    heard = () if recording is None else ("wav2vec2",)
    check_found(args.weights, found, (*VIDEO_WEIGHTS, *heard))
    speech = None
    if recording is not None:
        speech = hear(recording, {name: found[name] for name in heard}, device, show_progress("speech"))
    if poses is not None:
        drive = drive_video(size, poses=poses, speech=speech, strengths=strengths, mask_options=masks)
    else:
        drive = filmed_drive(args.poses, size, speech, strengths)
    del poses, speech, recording  # what is read of them is in drive
    print(f"{drive.num_frames} frames of {size.width_px}x{size.height_px} px", flush=True)
    make_video(
        args.out,
        picture,
        drive,
        found,
        preset,
        seed=args.seed,
        device=device,
        dtype=choose_dtype(args.dtype, device),
        sound=args.audio,
        progress=show_progress,
    )
    print(f"done: {args.out}")
