"""``mmgt preview``: a portrait animated by a recording, without diffusion."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .stage_one import (
    add_stage_one_options,
    check_candidates,
    given_pose,
    read_vocals,
    show_scores,
    smga_settings_of,
)
from .terminal import Commands, model_folders, models_roots, show_progress


def add_parser(commands: Commands) -> None:
    preview = commands.add_parser("preview", help="animate a portrait by a recording, without diffusion")
    preview.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    preview.add_argument("--audio", type=Path, required=True, metavar="A", help="speech: wav, flac, mp3, m4a, ogg")
    preview.add_argument("--out", type=Path, required=True, metavar="V.mp4", help="the video; must not exist yet")
    preview.add_argument("--smga", type=Path, metavar="FILE", help="SMGA checkpoint; without it Rhythm makes the poses")
    preview.add_argument("--wavlm", type=Path, metavar="FILE", help="WavLM for the authors' SMGA (default: looked for)")
    preview.add_argument("--models", type=Path, metavar="DIR", help="folder with the DWPose .onnx files, and WavLM")
    preview.add_argument("--seed", type=int, default=0, help="other seeds, other gestures (default: 0)")
    add_stage_one_options(preview)
    preview.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + recording -> video, by SMGA where a checkpoint is given, else by Rhythm."""
    from ..detect.find import find_detector
    from ..media import check_distinct, check_output, check_video_output, read_picture, read_recording, write_video
    from ..people import initial_pose_of
    from ..pose_files import save_poses
    from ..preview import preview_motion
    from ..rhythm import rhythm_poses

    check_video_output(args.out)
    if args.poses_out is not None:
        check_output(args.poses_out)
    check_distinct((args.out, args.poses_out))
    check_candidates(args.candidates, has_smga=args.smga is not None)
    settings = smga_settings_of(args)
    picture, recording = read_picture(args.image), read_recording(args.audio)
    vocals = read_vocals(args.vocals, recording)
    initial_pose = given_pose(args, picture)
    smga, encoders = (None, {}) if args.smga is None else _open_smga(args)
    if initial_pose is None:
        initial_pose = initial_pose_of(find_detector(model_folders(args.models)), picture)
    height, width = picture.shape[:2]
    print(f"portrait {width}x{height} px, speech {recording.seconds:.1f} s", flush=True)

    if smga is None:
        poses = rhythm_poses(recording if vocals is None else vocals, initial_pose, seed=args.seed)
        print(f"Rhythm Audio2Pose: {poses.num_frames} frames (rule-based; give --smga FILE for SMGA)", flush=True)
    else:
        from ..standalone.animate import choose_device, hear, speak

        device = choose_device()
        speech = hear(recording, encoders, device, show_progress("speech"), vocals)
        poses, scores = speak(
            smga, speech, initial_pose, args.seed, args.candidates, device, show_progress, settings=settings
        )
        show_scores(scores)
    if args.poses_out is not None:
        save_poses(poses, args.poses_out)
    frames = preview_motion(picture, initial_pose, poses, progress=show_progress("preview"))
    write_video(args.out, frames, poses.fps, args.audio)
    print(f"done: {args.out}")


def _open_smga(args: argparse.Namespace) -> tuple[Any, dict[str, Path]]:
    """SMGA, and the file of WavLM if it hears that. Raises InputError for a file that is missing or another."""
    from ..smga.load import load_smga
    from ..standalone.animate import choose_device, hears_wavlm
    from ..standalone.onednn import fastest_ops
    from ..weights.catalog import WAVLM, check_kinds, find, missing_sentence

    smga = load_smga(args.smga, fastest_ops(choose_device()))
    if not hears_wavlm(smga):
        return smga, {}
    folders = [root / WAVLM.folder for root in models_roots()] if args.models is None else [args.models]
    wavlm = args.wavlm or find(WAVLM, {WAVLM.folder: folders})
    if wavlm is None:
        raise InputError(
            f"{args.smga} hears speech by WavLM: {missing_sentence(WAVLM, folders)} Or name it with --wavlm FILE."
        )
    check_kinds({WAVLM.key: wavlm}, [WAVLM.key])
    return smga, {WAVLM.key: wavlm}
