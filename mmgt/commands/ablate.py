"""``mmgt ablate``: the paper's ablations of one photo and one speech, with numbers and one video of all."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..training.smga_ablations import SMGA_ABLATIONS
from .stage_one import add_stage_one_options, given_pose, pose_settings_of
from .terminal import Commands, show_progress
from .video_options import add_video_options, video_settings_of


def add_parser(commands: Commands) -> None:
    ablate = commands.add_parser(
        "ablate",
        help="the same video without motion masks, with still ones, without audio, ...: numbers side by side",
        description="From one photo, one speech and one seed: full, no motion mask, still mask, no audio, pose-driven, "
        "and trainings of your own by name; each with its numbers (as `mmgt evaluate`), all in one video, their order "
        "beside the paper's. The same command goes on where it ended.",
    )
    ablate.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    ablate.add_argument("--audio", type=Path, required=True, metavar="A", help="speech: wav, flac, mp3, m4a, ogg")
    ablate.add_argument("--rhythm", action="store_true", help="poses by rules (Rhythm Audio2Pose) instead of by SMGA")
    driving = "poses of a real person who says the same, for pose-driven and for errors of the motion"
    ablate.add_argument("--driving", type=Path, metavar="D.json", help=driving)
    real = "the real video (default: all others are compared with full)"
    ablate.add_argument("--ref", type=Path, metavar="VIDEO", help=real)
    trained = "one more row: an SMGA that was trained otherwise, or all networks of a models folder; again for more. " \
        f"The paper's names: {', '.join([*SMGA_ABLATIONS][1:])}"  # fmt: skip
    ablate.add_argument("--trained", action="append", default=[], metavar="NAME=FILE|DIR", help=trained)
    add_stage_one_options(ablate, poses_out=False)
    add_video_options(ablate, out=("DIR", "a new folder for videos, reports and ablation.md"))
    ablate.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from ..standalone.ablate import ablate
    from ..standalone.animate import AnimateSettings

    settings = AnimateSettings(pose_settings_of(args, by_rules=args.rhythm), video_settings_of(args))
    ablate(
        args.image,
        args.audio,
        args.out,
        args.models,
        settings,
        seed=args.seed,
        initial_pose=given_pose(args),
        driving=args.driving,
        reference=args.ref,
        trained=dict(_named_path(given) for given in args.trained),
        progress=show_progress,
    )
    print((args.out / "ablation.md").read_text(encoding="utf-8"))
    print(f"done: {args.out}")


def _named_path(given: str) -> tuple[str, Path]:
    name, separator, path = given.partition("=")
    if not separator or not path:
        raise InputError(
            f"--trained is '{given}'; give a name and a file of SMGA, like 'no FiLM=run/smga.safetensors'."
        )
    return name, Path(path)
