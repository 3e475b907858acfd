"""What ``mmgt generate`` and ``mmgt pose2video`` share: options of the video, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import add_models_option

MASK_FILES = {  # by their names in ``drive_video``
    "face_mask": "the face is",
    "lip_mask": "the lips are",
    "hands_mask": "the hands are",
    "background_mask": "neither face nor hands are (with --mask-set paper)",
}
PRESET_NAMES = ("authors", "fast", "small", "student")  # of ``mmhaa.presets``, which is imported when a command runs
VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif"}

if TYPE_CHECKING:
    from torch import Tensor

    from ..media import FrameMarks
    from ..standalone.video import VideoSettings


def add_video_options(
    parser: argparse.ArgumentParser, out: tuple[str, str] = ("V.mp4", "the video; must not exist yet")
) -> None:
    """out: its name and help."""
    add_models_option(parser, "--weights")
    parser.add_argument("--out", type=Path, required=True, metavar=out[0], help=out[1])
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other videos (default: 0)")
    decoder = "makes the frames in the VAE's place: a tiny one in TAESD's layout at a twentieth of the cost"
    parser.add_argument("--decoder", type=Path, metavar="FILE", help=decoder)
    add_look_options(parser)


def add_look_options(parser: argparse.ArgumentParser) -> None:
    """How the video is sampled and marked, and on what; the defaults that are named are those of "authors"."""
    add, interval, regions = parser.add_argument, ("START", "END"), ("FULL", "FACE", "LIPS")
    add("--size", metavar="WxH", help="in px; 0 for one side: by the photo's aspect (default: 512x512 in area)")
    preset = "values of what follows (default: authors; where the network is a student, what its file says)"
    add("--preset", choices=PRESET_NAMES, help=preset)
    add("--scheduler", metavar="NAME", help="the sampler; an unknown name is answered with their list (authors: ddim)")
    add("--steps", type=int, metavar="N", help="denoising steps (authors: 30)")
    add("--cfg", type=float, metavar="X", help="guidance; 1 = none, at half the cost (authors: 3.5)")
    add("--window", type=int, metavar="N", help="frames that are denoised together (authors: 12)")
    add("--overlap", type=int, metavar="N", help="frames that neighbouring windows share (authors: 4)")
    add("--looped", action="store_true", default=None, help="the last window wraps to the first frames (the authors')")
    add("--guidance-interval", type=float, nargs=2, metavar=interval, help="guide only there; 0 = noise (authors: 0 1)")
    add("--reuse-every", type=int, metavar="N", help="run the whole network at every N-th step only (authors: 1)")
    at_once = "windows in one call of the network, for more memory: 1, 2, 4, 8, 16 or 32 (default: 1)"
    add("--windows-at-once", type=int, metavar="N", help=at_once)
    add("--shared-noise", type=float, metavar="X", help="of the noise that all frames have in common (authors: 0)")
    add("--strengths", type=float, nargs=3, metavar=regions, default=(1, 1, 2), help="of the speech (authors: 1 1 2)")
    add(
        "--third-mask",
        metavar="NAME",
        default="1 + lips",
        help="where the full branch acts: '1 + lips' (the authors' inference), 'hands', '1 - face + lips' or "
        "'background' (the paper: 1 - (face or hands))",
    )
    add(
        "--hands-branch",
        metavar="NAME",
        default="none",
        help="the branch that also acts at the hands: none (the authors' inference), full, face or lips",
    )
    sets = "all three branches' masks: the authors' inference, the paper's or the authors' training's"
    add(
        "--mask-set",
        choices=["inference", "paper", "training"],
        default="inference",
        help=f"{sets} (default: inference)",
    )
    motion = "masks that follow the person, the first frame's for all, or every branch everywhere (default: motion)"
    add("--masks", choices=["motion", "still", "none"], default="motion", help=motion)
    add("--dtype", choices=["auto", "float32", "bfloat16", "float16"], default="auto", help="auto: float16 on a GPU")
    add_frame_marks(parser)
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ... (default: auto)")


def add_frame_marks(parser: argparse.ArgumentParser) -> None:
    label = "show TEXT in the first 2 s (without TEXT: AI-generated)"
    parser.add_argument("--label", nargs="?", const="AI-generated", default="", metavar="TEXT", help=label)
    invisible = "write an invisible mark into the frames (docs/provenance.md says what it survives)"
    parser.add_argument("--invisible-mark", action="store_true", help=invisible)


def frame_marks_of(args: argparse.Namespace) -> FrameMarks:
    """Raises InputError."""
    from ..media import FrameMarks

    return FrameMarks(args.label, args.invisible_mark)


def video_settings_of(args: argparse.Namespace) -> VideoSettings:
    """Raises InputError."""
    from ..standalone.options import video_settings
    from ..standalone.video import installed_student

    return video_settings(vars(args), installed_student(args.models))


def add_mask_files(parser: argparse.ArgumentParser) -> None:
    for dest, where in MASK_FILES.items():
        said = f"where {where}, white on black, instead of the pose's boxes: a picture, or a video"
        flag = "--lips-mask" if dest == "lip_mask" else f"--{dest.replace('_', '-')}"
        parser.add_argument(flag, type=Path, dest=dest, metavar="FILE", help=said)


def read_masks(args: argparse.Namespace) -> dict[str, Tensor | None]:
    """The mask files [T or 1, H, W] in 0..1, by their names in ``drive_video``. Raises InputError."""
    return {name: _read_mask(getattr(args, name)) for name in MASK_FILES}


def _read_mask(path: Path | None) -> Tensor | None:
    import numpy as np
    import torch

    from ..media import VideoReader, read_picture
    from ..poses import POSE_FPS

    if path is None:
        return None
    if path.suffix.lower() in VIDEO_SUFFIXES:
        reader = VideoReader(path, POSE_FPS)
        pictures = np.stack([reader([t])[0].max(axis=-1) for t in range(reader.num_frames)])
    else:
        pictures = read_picture(path).max(axis=-1)[None]
    return torch.from_numpy(pictures).float() / 255
