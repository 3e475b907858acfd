"""``mmgt pose2video``: a portrait moved by given poses -> a video, by MM-HAA."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .stage_one import add_canvas_option, canvas_of, read_vocals
from .terminal import Commands, show_progress
from .video_options import (
    add_mask_files,
    add_video_options,
    check_seed,
    check_strengths,
    mask_options_of,
    preset_of,
    read_masks,
    size_of,
)


def add_parser(commands: Commands) -> None:
    pose2video = commands.add_parser("pose2video", help="move a portrait by given poses, by MMGT's video network")
    pose2video.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    pose2video.add_argument(
        "--poses", type=Path, required=True, metavar="P", help="pose file (.json), or a video of drawn poses"
    )
    pose2video.add_argument("--audio", type=Path, metavar="A", help="speech that the lips follow; the video's sound")
    pose2video.add_argument("--vocals", type=Path, metavar="FILE", help="the voice alone; heard instead of --audio")
    add_canvas_option(pose2video)
    add_mask_files(pose2video)
    add_video_options(pose2video)
    pose2video.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + poses (+ recording) -> video (MM-HAA)."""
    from ..media import VideoReader, check_video_output, read_picture, read_recording
    from ..memory import reuse_freed_memory
    from ..mmhaa.drive import drive_video
    from ..pose_files import load_poses
    from ..poses import POSE_FPS
    from ..standalone.animate import VIDEO_WEIGHTS, choose_device, choose_dtype, filmed_drive, hear, make_video
    from ..weights.catalog import check_found, check_kinds, find_all

    check_video_output(args.out)
    check_seed(args.seed)
    preset, strengths, device = preset_of(args), check_strengths(args.strengths), choose_device(args.device)
    masks = mask_options_of(args)
    picture = read_picture(args.image)
    recording = None if args.audio is None else read_recording(args.audio)
    size = size_of(args.size, *picture.shape[:2])
    if recording is None and args.vocals is not None:
        raise InputError("--vocals is the voice of a recording; give the recording too, with --audio.")
    vocals = None if recording is None else read_vocals(args.vocals, recording)
    canvas, mask_files = canvas_of(args.canvas), read_masks(args)
    poses = load_poses(args.poses, canvas) if args.poses.suffix.lower() == ".json" else None
    filmed = None if poses is not None else VideoReader(args.poses, POSE_FPS)
    if filmed is not None and any(mask is not None for mask in mask_files.values()):
        raise InputError(f"{args.poses.name} is a video, which goes without masks; give a pose file, or no mask files.")
    if poses is None and masks.needs_hands:
        raise InputError(f"{args.poses.name} is a video, which does not say where the hands are; give a pose file.")

    found = find_all(args.weights)
    heard = () if recording is None else ("wav2vec2",)
    check_found(args.weights, found, (*VIDEO_WEIGHTS, *heard))
    check_kinds(found, (*VIDEO_WEIGHTS, *heard))
    speech = None
    if recording is not None:
        speech = hear(recording, {name: found[name] for name in heard}, device, show_progress("speech"), vocals)
    if filmed is None:
        drive = drive_video(size, poses=poses, speech=speech, strengths=strengths, mask_options=masks, **mask_files)
    else:
        drive = filmed_drive(filmed, size, speech, strengths)
    del poses, speech, recording, vocals  # what is read of them is in drive
    print(f"{drive.num_frames} frames of {size.width_px}x{size.height_px} px", flush=True)
    if device.type == "cpu":
        reuse_freed_memory()
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
