"""``mmgt preview``: a portrait animated by a recording, without diffusion."""

from __future__ import annotations

import argparse
from pathlib import Path

from .candidates import add_candidates_option, check_candidates, show_scores
from .terminal import Commands, model_folders, show_progress


def add_parser(commands: Commands) -> None:
    preview = commands.add_parser("preview", help="animate a portrait by a recording, without diffusion")
    preview.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    preview.add_argument("--audio", type=Path, required=True, metavar="A", help="speech: wav, flac, mp3, m4a, ogg")
    preview.add_argument("--out", type=Path, required=True, metavar="V.mp4", help="the video; must not exist yet")
    preview.add_argument("--poses", type=Path, metavar="P.json", help="the portrait's pose, instead of detecting it")
    preview.add_argument("--poses-out", type=Path, metavar="Q.json", help="also write the generated poses")
    preview.add_argument("--smga", type=Path, metavar="FILE", help="SMGA checkpoint; without it Rhythm makes the poses")
    preview.add_argument("--models", type=Path, metavar="DIR", help="folder with the DWPose .onnx files")
    preview.add_argument("--seed", type=int, default=0, help="other seeds, other gestures (default: 0)")
    add_candidates_option(preview)
    preview.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + recording -> video, by SMGA where a checkpoint is given, else by Rhythm."""
    from ..detect import initial_pose_of
    from ..detect.find import find_detector
    from ..media import check_distinct, check_output, check_video_output, read_picture, read_recording, write_video
    from ..poses import load_poses, save_poses
    from ..preview import preview_motion
    from ..rhythm import rhythm_poses

    check_video_output(args.out)
    if args.poses_out is not None:
        check_output(args.poses_out)
    check_distinct((args.out, args.poses_out))
    check_candidates(args.candidates, has_smga=args.smga is not None)
    picture, recording = read_picture(args.image), read_recording(args.audio)
    height, width = picture.shape[:2]
    if args.poses is not None:
        initial_pose = load_poses(args.poses).still_on(height, width, str(args.poses))
    else:
        initial_pose = initial_pose_of(find_detector(model_folders(args.models)), picture)
    print(f"portrait {width}x{height} px, speech {recording.seconds:.1f} s", flush=True)

    if args.smga is None:
        poses = rhythm_poses(recording, initial_pose, seed=args.seed)
        print(f"Rhythm Audio2Pose: {poses.num_frames} frames (rule-based; give --smga FILE for SMGA)", flush=True)
    else:
        from ..features import encode_speech
        from ..smga.candidates import sample_candidates
        from ..weights import load_smga

        model = load_smga(args.smga)
        speech = encode_speech(recording)
        poses, scores = sample_candidates(
            model,
            speech,
            initial_pose,
            seed=args.seed,
            num_candidates=args.candidates,
            progress=show_progress("SMGA"),
        )
        show_scores(scores)
    if args.poses_out is not None:
        save_poses(poses, args.poses_out)
    frames = preview_motion(picture, initial_pose, poses, progress=show_progress("preview"))
    write_video(args.out, frames, poses.fps, args.audio)
    print(f"done: {args.out}")
