"""``mmgt generate``: a portrait and a recording -> a video, by both stages."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .stage_one import add_stage_one_options, given_pose, pose_settings_of, show_scores
from .terminal import Commands, show_progress
from .video_options import add_mask_files, add_video_options, read_masks, video_settings_of

if TYPE_CHECKING:
    from ..poses import PoseSequence
    from ..provenance import Provenance
    from ..smga.candidates import Score


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
    """Portrait + recording -> poses (SMGA, Contextual Gesture or Rhythm) -> video (MM-HAA) with the recording."""
    from ..media import check_distinct, check_output
    from ..memory import reuse_freed_memory
    from ..pose_files import save_poses
    from ..standalone.animate import AnimateSettings, animate
    from ..standalone.devices import choose_device

    if args.poses_out is not None:
        check_output(args.poses_out)
    check_distinct((args.out, args.poses_out))
    if args.rhythm and args.contextual_gesture is not None:
        raise InputError("--rhythm and --contextual-gesture both make the poses; give one of them.")
    settings = AnimateSettings(pose_settings_of(args, by_rules=args.rhythm), video_settings_of(args))

    made: list[tuple[PoseSequence, Provenance]] = []

    def between_stages(poses: PoseSequence, scores: Sequence[Score], provenance: Provenance) -> None:
        show_scores(scores)
        made.append((poses, provenance))
        if choose_device(args.device).type == "cpu":
            reuse_freed_memory()

    animate(
        args.image,
        args.audio,
        args.out,
        args.models,
        settings,
        seed=args.seed,
        initial_pose=given_pose(args),
        vocals=args.vocals,
        contextual_gesture=args.contextual_gesture,
        masks=read_masks(args),
        progress=show_progress,
        decoder=args.decoder,
        poses_made=between_stages,
    )
    if args.poses_out is not None:  # with the video, not before it: a run that was killed can be given again
        ((poses, provenance),) = made
        save_poses(poses, args.poses_out, provenance)
    print(f"done: {args.out}")
