"""``mmgt demo``: the main job on bundled inputs, without any weights."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import Commands, show_progress

if TYPE_CHECKING:
    import numpy as np

CONTACT_SHEET_COLUMNS = 6
CONTACT_SHEET_PX = 256


def add_parser(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="animate the public-domain astronaut portrait; needs no weights")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="new files go here (default: demo)")
    demo.add_argument("--seed", type=int, default=0, help="other seeds, other gestures (default: 0)")
    demo.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """The astronaut speaks: demo.mp4, poses.mp4, poses.json, contact_sheet.png and portrait.png in ``--out``."""
    import numpy as np

    from ..assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
    from ..media import all_or_none, check_output, contact_sheet, read_picture, read_recording, write_png, write_video
    from ..pose_files import load_poses, save_poses
    from ..poses.draw import draw_poses
    from ..preview import preview_motion
    from ..provenance import ALGORITHMIC, COMPOSITE_SYNTHETIC, Provenance, digest
    from ..rhythm import rhythm_poses
    from ..seeds import check_seed

    check_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    names = ("demo.mp4", "poses.mp4", "poses.json", "contact_sheet.png", "portrait.png")
    video, pose_video, pose_file, sheet, portrait = (args.out / name for name in names)
    for path in (video, pose_video, pose_file, sheet, portrait):
        check_output(path)

    picture, initial_pose, recording = read_picture(ASTRONAUT), load_poses(ASTRONAUT_POSE), read_recording(SPEECH)
    print(f"portrait {picture.shape[1]}x{picture.shape[0]} px, speech {recording.seconds:.1f} s", flush=True)
    poses = rhythm_poses(recording, initial_pose, seed=args.seed)
    print(
        f"Rhythm Audio2Pose: {poses.num_frames} frames at {poses.fps:g} fps (rule-based; no SMGA weights)", flush=True
    )
    made = Provenance(COMPOSITE_SYNTHETIC, seed=args.seed, inputs=(digest(picture, recording, initial_pose),))
    drawn = replace(made, source=ALGORITHMIC)
    with all_or_none() as wrote:
        write_png(portrait, picture, is_generated=False)
        wrote(portrait)
        save_poses(poses, pose_file, drawn)
        wrote(pose_file)

        shown = np.linspace(0, poses.num_frames - 1, CONTACT_SHEET_COLUMNS).round().astype(int).tolist()
        kept: dict[str, list[np.ndarray]] = {"preview": [], "poses": []}

        def keep(frames: Iterable[np.ndarray], row: str) -> Iterator[np.ndarray]:
            for t, frame in enumerate(frames):
                if t in shown:
                    kept[row].append(_thumbnail(frame))
                yield frame

        frames = preview_motion(picture, initial_pose, poses, progress=show_progress("preview"))
        write_video(video, keep(frames, "preview"), poses.fps, SPEECH, provenance=made)
        wrote(video)
        height, width = picture.shape[:2]
        write_video(pose_video, keep(draw_poses(poses, height, width), "poses"), poses.fps, SPEECH, provenance=drawn)
        wrote(pose_video)
        write_png(sheet, contact_sheet(kept["preview"] + kept["poses"], CONTACT_SHEET_COLUMNS), provenance=made)
    print(f"done: {video} (with sound), {pose_video}, {pose_file}, {sheet}")


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(frame, (CONTACT_SHEET_PX, CONTACT_SHEET_PX), interpolation=cv2.INTER_AREA)
