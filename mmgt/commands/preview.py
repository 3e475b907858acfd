"""``mmgt preview``: a portrait animated by a recording, without diffusion of pictures."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .stage_one import add_stage_one_options, given_pose, pose_settings_of, show_scores
from .terminal import Commands, add_models_option, show_progress
from .video_options import add_frame_marks, frame_marks_of

if TYPE_CHECKING:
    from ..smga.model import SMGA


def add_parser(commands: Commands) -> None:
    preview = commands.add_parser("preview", help="animate a portrait by a recording, without diffusion")
    preview.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    preview.add_argument("--audio", type=Path, required=True, metavar="A", help="speech: wav, flac, mp3, m4a, ogg")
    preview.add_argument("--out", type=Path, required=True, metavar="V.mp4", help="the video; must not exist yet")
    preview.add_argument("--smga", type=Path, metavar="FILE", help="SMGA checkpoint; without it Rhythm makes the poses")
    preview.add_argument("--wavlm", type=Path, metavar="FILE", help="WavLM for the authors' SMGA (default: looked for)")
    add_models_option(preview)
    preview.add_argument("--refine", type=Path, metavar="FILE", help="of `mmgt train refine`: mends the warped frames")
    preview.add_argument("--seed", type=int, default=0, help="other seeds, other gestures (default: 0)")
    add_stage_one_options(preview)
    add_frame_marks(preview)
    preview.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Portrait + recording -> video, by SMGA or Contextual Gesture where a checkpoint is given, else by Rhythm."""
    from ..detect.find import find_detector
    from ..media import (
        all_or_none,
        check_distinct,
        check_output,
        check_video_output,
        read_picture,
        read_recording,
        write_video,
    )
    from ..people import initial_pose_of
    from ..pose_files import save_poses
    from ..preview import preview_motion
    from ..preview.refinement import Refiner, load_refinement
    from ..provenance import Provenance, digest, networks_of
    from ..provenance.record import settings_of, sources_of
    from ..rhythm import rhythm_poses
    from ..seeds import check_seed
    from ..speech.recording import as_long_as
    from ..standalone.contextual import open_contextual_gesture, sample_contextual_gesture
    from ..standalone.devices import choose_device
    from ..standalone.speech_to_poses import encode_speech_with, sample_smga
    from ..weights import in_models

    check_video_output(args.out)
    frame_marks = frame_marks_of(args)
    if args.poses_out is not None:
        check_output(args.poses_out)
    check_distinct((args.out, args.poses_out))
    check_seed(args.seed)
    if args.smga is not None and args.contextual_gesture is not None:
        raise InputError("--smga and --contextual-gesture both make the poses; give one of them.")
    is_trained = args.smga is not None or args.contextual_gesture is not None
    settings = pose_settings_of(args, by_rules=not is_trained)
    picture, recording = read_picture(args.image), read_recording(args.audio)
    height, width = picture.shape[:2]
    vocals = None if args.vocals is None else as_long_as(recording, read_recording(args.vocals))
    initial_pose = given_pose(args)
    if initial_pose is not None:
        initial_pose = initial_pose.still_on(height, width, str(args.poses))
    smga, encoders = (None, {}) if args.contextual_gesture is not None else _open_smga(args)
    gestures = None
    if args.contextual_gesture is not None:
        gestures, encoders = open_contextual_gesture(
            args.contextual_gesture, settings, args.models, choose_device(), args.wavlm
        )
    refinement = None if args.refine is None else load_refinement(args.refine)
    named = {"smga": args.smga, "contextual_gesture": args.contextual_gesture, "refinement": args.refine}
    networks = {**encoders, **{name: path for name, path in named.items() if path is not None}}
    if initial_pose is None:
        initial_pose = initial_pose_of(find_detector(in_models(args.models)), picture)
    print(f"portrait {width}x{height} px, speech {recording.seconds:.1f} s", flush=True)

    if gestures is not None:
        device = choose_device()
        speech = encode_speech_with(encoders, recording, device, show_progress("speech"), vocals)
        shown = show_progress("Contextual Gesture")
        poses = sample_contextual_gesture(
            gestures, speech, initial_pose, settings, seed=args.seed, device=device, progress=shown
        )
    elif smga is None:
        poses = rhythm_poses(recording if vocals is None else vocals, initial_pose, seed=args.seed)
        print(f"Rhythm Audio2Pose: {poses.num_frames} frames (rule-based; give --smga FILE for SMGA)", flush=True)
    else:
        device = choose_device()
        speech = encode_speech_with(encoders, recording, device, show_progress("speech"), vocals)
        poses, scores = sample_smga(
            smga, speech, initial_pose, settings, seed=args.seed, device=device, progress=show_progress("SMGA")
        )
        show_scores(scores)
    of_poses = sources_of(is_trained)[0]
    of_video = sources_of(is_trained or refinement is not None)[1]
    provenance = Provenance(
        of_video, networks_of(networks), args.seed, settings_of(settings), (digest(picture, poses, recording),)
    )
    refine = None
    if refinement is not None:
        device = choose_device()
        refine = Refiner.of(refinement.to(device), picture, initial_pose, poses, device)
    with all_or_none() as wrote:
        if args.poses_out is not None:
            save_poses(poses, args.poses_out, replace(provenance, source=of_poses))
            wrote(args.poses_out)
        frames = preview_motion(picture, initial_pose, poses, progress=show_progress("preview"), refine=refine)
        write_video(args.out, frames, poses.fps, args.audio, provenance=provenance, frame_marks=frame_marks)
    print(f"done: {args.out}")


def _open_smga(args: argparse.Namespace) -> tuple[SMGA | None, dict[str, Path]]:
    """SMGA if it is given, and the file of WavLM if that reads it. Raises InputError for a missing or another file."""
    from ..smga.load import load_smga
    from ..standalone.devices import choose_device
    from ..standalone.onednn import fastest_ops
    from ..standalone.speech_to_poses import reads_wavlm
    from ..weights.catalog import WAVLM, missing_sentence
    from ..weights.places import check_kinds, find, in_models, places

    if args.smga is None:
        if args.wavlm is not None:
            raise InputError(f"--wavlm {args.wavlm} is for SMGA, but Rhythm makes the poses; give SMGA with --smga.")
        return None, {}
    smga = load_smga(args.smga, fastest_ops(choose_device()))
    if not reads_wavlm(smga):
        if args.wavlm is not None:
            raise InputError(f"{args.smga} was trained without WavLM; leave --wavlm out.")
        return smga, {}
    folders = places(WAVLM, in_models(args.models))
    wavlm = args.wavlm or find(WAVLM, folders)
    if wavlm is None:
        raise InputError(f"{args.smga} reads WavLM: {missing_sentence(WAVLM, folders)} Or name it with --wavlm FILE.")
    check_kinds({WAVLM.key: wavlm}, [WAVLM.key])
    return smga, {WAVLM.key: wavlm}
