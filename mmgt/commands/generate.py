"""``mmgt generate``: a portrait and a recording -> a video, by both stages."""

from __future__ import annotations

import argparse
from pathlib import Path

from .stage_one import (
    add_stage_one_options,
    check_candidates,
    given_pose,
    read_vocals,
    show_scores,
    smga_settings_of,
)
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
    generate = commands.add_parser("generate", help="make a portrait speak a recording, by MMGT's networks")
    generate.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    generate.add_argument("--audio", type=Path, required=True, metavar="A", help="speech: wav, flac, mp3, m4a, ogg")
    generate.add_argument("--rhythm", action="store_true", help="poses by rules (Rhythm Audio2Pose) instead of by SMGA")
    add_stage_one_options(generate)
    add_mask_files(generate)
    add_video_options(generate)
    generate.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + recording -> poses (SMGA, or Rhythm) -> video (MM-HAA) with the recording."""
    from ..detect.find import find_detector
    from ..media import check_distinct, check_output, check_video_output, read_picture, read_recording
    from ..memory import reuse_freed_memory
    from ..mmhaa.drive import drive_video
    from ..people import initial_pose_of
    from ..pose_files import save_poses
    from ..rhythm import rhythm_poses
    from ..smga.load import load_smga
    from ..standalone.animate import VIDEO_WEIGHTS, choose_device, choose_dtype, hear, hears_wavlm, make_video, speak
    from ..standalone.onednn import fastest_ops
    from ..weights.catalog import check_found, check_kinds, find_all

    check_video_output(args.out)
    if args.poses_out is not None:
        check_output(args.poses_out)
    check_distinct((args.out, args.poses_out))
    check_seed(args.seed)
    check_candidates(args.candidates, has_smga=not args.rhythm)
    preset, strengths, device = preset_of(args), check_strengths(args.strengths), choose_device(args.device)
    masks, settings = mask_options_of(args), smga_settings_of(args)
    picture, recording = read_picture(args.image), read_recording(args.audio)
    height, width = picture.shape[:2]
    size = size_of(args.size, height, width)
    vocals = read_vocals(args.vocals, recording)
    initial_pose, mask_files = given_pose(args, picture), read_masks(args)

    found = find_all(args.weights)
    smga = None if args.rhythm or "smga" not in found else load_smga(found["smga"], fastest_ops(device))
    stage_one = () if args.rhythm else ("smga", "wavlm") if smga is None or hears_wavlm(smga) else ("smga",)
    without = "" if found.keys() >= {*stage_one} else ", or give --rhythm, which needs no SMGA and no WavLM"
    check_found(args.weights, found, (*stage_one, "wav2vec2", *VIDEO_WEIGHTS), without)
    check_kinds(found, (*stage_one, "wav2vec2", *VIDEO_WEIGHTS))

    if initial_pose is None:
        initial_pose = initial_pose_of(find_detector([args.weights]), picture)
    print(
        f"portrait {width}x{height} px, speech {recording.seconds:.1f} s, video {size.width_px}x{size.height_px} px",
        flush=True,
    )

    encoders = {name: found[name] for name in (*stage_one, "wav2vec2") if name != "smga"}
    speech = hear(recording, encoders, device, show_progress("speech"), vocals)
    if smga is None:
        poses = rhythm_poses(recording if vocals is None else vocals, initial_pose, seed=args.seed)
        print(f"Rhythm Audio2Pose: {poses.num_frames} frames (rule-based; without --rhythm: SMGA)", flush=True)
    del recording, vocals  # the video's sound is read from its file
    if smga is not None:
        poses, scores = speak(
            smga, speech, initial_pose, args.seed, args.candidates, device, show_progress, settings=settings
        )
        show_scores(scores)
    del smga  # the video network needs its memory
    if args.poses_out is not None:
        save_poses(poses, args.poses_out)
    drive = drive_video(size, poses=poses, speech=speech, strengths=strengths, mask_options=masks, **mask_files)
    del poses, speech  # what stage II reads of them is in drive
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
