"""What ``mmgt preview`` and ``mmgt generate`` share: the portrait's pose, the voice, and how SMGA is sampled."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..assets import TINY_GESTURES
from ..errors import InputError

if TYPE_CHECKING:
    from ..poses import PoseSequence
    from ..smga.candidates import Score
    from ..standalone.speech_to_poses import PoseSettings


def add_stage_one_options(parser: argparse.ArgumentParser, poses_out: bool = True) -> None:
    """poses_out: whether poses are a file, too, and the voice alone may be given."""
    add = parser.add_argument
    add("--poses", type=Path, metavar="P.json", help="the portrait's pose, instead of detecting it; OpenPose JSON too")
    add_canvas_option(parser)
    if poses_out:
        add("--poses-out", type=Path, metavar="Q.json", help="also write the generated poses")
        add("--vocals", type=Path, metavar="FILE", help="the voice alone; it is encoded instead of the recording")
    tokens = "poses by Contextual Gesture, of `mmgt train gestures` (without FILE: the small one that is shipped)"
    add("--contextual-gesture", type=Path, metavar="FILE", nargs="?", const=TINY_GESTURES, help=tokens)
    add_sampling_options(parser)


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """How SMGA and Contextual Gesture are sampled; the defaults named here are those of their settings."""
    add = parser.add_argument
    add("--candidates", type=int, default=1, metavar="N", help="seeds that SMGA tries; the best is taken (default: 1)")
    add("--smga-steps", type=int, default=50, metavar="N", help="denoising steps of SMGA (default: 50)")
    add("--smga-guidance", type=float, default=2.0, metavar="X", help="of SMGA by the speech; 1 = none (default: 2)")
    add("--smga-solver", default="ddim", metavar="NAME", help="ddim, or dpmpp_2m for fewer steps (default: ddim)")
    spacings = "which timesteps its steps visit: linspace, trailing or leading (default: linspace)"
    add("--smga-spacing", default="linspace", metavar="NAME", help=spacings)
    add("--smga-eta", type=float, default=1.0, metavar="X", help="noise of each step: 0 none, 1 ancestral (default: 1)")
    add("--smga-overlap", type=int, default=20, metavar="N", help="frames that SMGA's windows share (default: 20)")
    add("--gesture-steps", type=int, default=5, metavar="N", help="passes of Contextual Gesture (default: 5)")
    drawn = "of Contextual Gesture's draws; 0 = the likeliest token (default: 1)"
    add("--gesture-temperature", type=float, default=1.0, metavar="X", help=drawn)
    shared = "frames that Contextual Gesture's windows share (default: 20)"
    add("--gesture-overlap", type=int, default=20, metavar="N", help=shared)
    paced = "how strongly speech sets the pace of Contextual Gesture; 1 = as much as it is sure of (default: 2)"
    add("--gesture-pace", type=float, default=2.0, metavar="X", help=paced)
    add("--speaker", default="", metavar="NAME", help="whose style Contextual Gesture takes (default: the mean of all)")
    lips = "close the lips that a network opens in silence (default: yes)"
    add("--close-lips", action=argparse.BooleanOptionalAction, default=True, help=lips)


def pose_settings_of(args: argparse.Namespace, by_rules: bool) -> PoseSettings:
    """Raises InputError."""
    from ..standalone.options import pose_settings

    return pose_settings(vars(args), by_rules)


def add_canvas_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--canvas", metavar="WxH", help="size in px of the picture that --poses is of, where OpenPose's file lacks it"
    )


def canvas_of(given: str | None) -> tuple[int, int] | None:
    """Width and height in px of ``--canvas``. Raises InputError."""
    if given is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", given)
    if match is None:
        raise InputError(f"the canvas is {given}; give width x height in px, like 512x512.")
    return int(match[1]), int(match[2])


def given_pose(args: argparse.Namespace) -> PoseSequence | None:
    """``--poses``; None where it is to be detected. Raises InputError."""
    from ..pose_files import load_poses

    canvas = canvas_of(args.canvas)
    return None if args.poses is None else load_poses(args.poses, canvas)


def show_scores(scores: Sequence[Score]) -> None:
    from ..smga.candidates import score_table

    if len(scores) > 1:
        print(score_table(scores), flush=True)
