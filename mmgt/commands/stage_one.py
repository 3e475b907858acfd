"""What ``mmgt preview`` and ``mmgt generate`` share: the portrait's pose, the voice, and how SMGA is sampled."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from ..poses import PoseSequence
    from ..smga.candidates import Score
    from ..smga.sample import SamplerSettings
    from ..speech.recording import Recording


def add_stage_one_options(parser: argparse.ArgumentParser) -> None:
    """The defaults that are named here are those of ``SamplerSettings``."""
    add = parser.add_argument
    add("--poses", type=Path, metavar="P.json", help="the portrait's pose, instead of detecting it; OpenPose JSON too")
    add_canvas_option(parser)
    add("--poses-out", type=Path, metavar="Q.json", help="also write the generated poses")
    add("--vocals", type=Path, metavar="FILE", help="the voice alone; it is heard instead of the recording")
    add("--candidates", type=int, default=1, metavar="N", help="seeds that SMGA tries; the best is taken (default: 1)")
    add("--smga-steps", type=int, default=50, metavar="N", help="denoising steps of SMGA (default: 50)")
    add("--smga-guidance", type=float, default=2.0, metavar="X", help="of SMGA by the speech; 1 = none (default: 2)")
    add("--smga-eta", type=float, default=1.0, metavar="X", help="noise of each step: 0 none, 1 ancestral (default: 1)")
    add("--smga-overlap", type=int, default=20, metavar="N", help="frames that SMGA's windows share (default: 20)")


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


def smga_settings_of(args: argparse.Namespace) -> SamplerSettings:
    """Raises InputError."""
    from ..smga.sample import SamplerSettings

    if not math.isfinite(args.smga_guidance):
        raise InputError(f"--smga-guidance is {args.smga_guidance}; give a number (the authors take 2, 1 is none).")
    return SamplerSettings(
        num_steps=args.smga_steps, guidance=args.smga_guidance, eta=args.smga_eta, overlap=args.smga_overlap
    )


def check_candidates(number: int, has_smga: bool) -> None:
    """Raise InputError for a number that cannot be sampled, or that nothing would come of."""
    from ..smga.candidates import check_number

    check_number(number)
    if number > 1 and not has_smga:
        raise InputError(f"--candidates {number} tries seeds of SMGA, but Rhythm makes the poses; give SMGA, or 1.")


def read_vocals(path: Path | None, recording: Recording) -> Recording | None:
    """``--vocals``. Raises InputError unless they last as long as the recording."""
    from ..media import read_recording
    from ..poses import POSE_FPS

    vocals = None if path is None else read_recording(path)
    if vocals is not None and abs(vocals.seconds - recording.seconds) > 1 / POSE_FPS:
        raise InputError(
            f"the vocals {path} last {vocals.seconds:.2f} s, but the recording {recording.seconds:.2f} s; give the "
            "vocals of this recording, uncut."
        )
    return vocals


def given_pose(args: argparse.Namespace, picture: np.ndarray) -> PoseSequence | None:
    """``--poses`` on the portrait [H, W, 3]; None where it is to be detected. Raises InputError."""
    from ..pose_files import load_poses

    canvas, (height, width) = canvas_of(args.canvas), picture.shape[:2]
    return None if args.poses is None else load_poses(args.poses, canvas).still_on(height, width, str(args.poses))


def show_scores(scores: Sequence[Score]) -> None:
    from ..smga.candidates import score_table

    if len(scores) > 1:
        print(score_table(scores), flush=True)
