"""``mmgt demo``: the main job on bundled inputs: by the small networks that are shipped, or a photo without any."""

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
PRESENTER_SEEDS = 2**31  # the demo's people begin here; training draws its people below
VIDEO_PX = 256
SMGA_STEPS, SMGA_GUIDANCE = 50, 1.0  # the small one follows the speech best without guidance
PRESET = "small"  # of ``mmhaa.presets``: steps, guidance, windows


def add_parser(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="a drawn presenter speaks, by the small networks that are shipped")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="new files go here (default: demo)")
    demo.add_argument("--seed", type=int, default=0, help="other seeds, other people and gestures (default: 0)")
    demo.add_argument(
        "--photo", action="store_true", help="the public-domain astronaut portrait instead: poses by rules, no networks"
    )
    demo.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """The demo of ``--photo``, or of the presenter where its networks are there."""
    from ..seeds import check_seed
    from ..weights.catalog import MMHAA
    from ..weights.places import shipped

    check_seed(args.seed)
    if not args.photo and shipped(MMHAA) is None:
        print("the small networks are not in this copy of mmgt; this is what `mmgt demo --photo` shows", flush=True)
        args.photo = True
    (animate_photo if args.photo else animate_presenter)(args)


def animate_presenter(args: argparse.Namespace) -> None:
    """Speech -> SMGA -> masks -> MM-HAA: demo.mp4, poses.mp4, masks.mp4, poses.json, contact_sheet.png, portrait.png.

    The sheet's rows: the photo, poses, masks, the truth (the presenter drawn in these poses), and the video.
    """
    from ..assets import MODELS, SPEECH
    from ..media import VideoReader, all_or_none, contact_sheet, read_recording, write_png, write_video
    from ..mmhaa.presets import PRESETS
    from ..pose_files import save_poses
    from ..poses.draw import draw_poses
    from ..poses.motion_mask import masks_seen, motion_masks
    from ..provenance import ALGORITHMIC, TRAINED, Provenance
    from ..smga.sample import SamplerSettings
    from ..standalone.animate import AnimateSettings, animate
    from ..standalone.devices import choose_device, quickest_dtype
    from ..standalone.speech_to_poses import PoseSettings
    from ..standalone.video import VideoSettings
    from ..world import draw_frames, portrait

    video, pose_video, mask_video, pose_file, sheet, photo = _new_files(
        args.out, "demo.mp4", "poses.mp4", "masks.mp4", "poses.json", "contact_sheet.png", "portrait.png"
    )
    person, recording = portrait(PRESENTER_SEEDS + args.seed, VIDEO_PX), read_recording(SPEECH)
    print(f"portrait {VIDEO_PX}x{VIDEO_PX} px (drawn), speech {recording.seconds:.1f} s", flush=True)
    poses_by = PoseSettings(sampler=SamplerSettings(SMGA_STEPS, SMGA_GUIDANCE))
    dtype = quickest_dtype(choose_device("cpu"))
    settings = AnimateSettings(poses_by, VideoSettings(VIDEO_PX, VIDEO_PX, PRESETS[PRESET], device="cpu", dtype=dtype))
    with all_or_none() as wrote:
        write_png(photo, person.picture, provenance=Provenance(ALGORITHMIC, seed=PRESENTER_SEEDS + args.seed))
        wrote(photo)
        made = animate(
            person.picture,
            SPEECH,
            video,
            MODELS,
            settings,
            seed=args.seed,
            initial_pose=person.pose,
            progress=show_progress,
        )
        wrote(video)
        poses, drawn = made.poses, replace(made.provenance, source=TRAINED)
        save_poses(poses, pose_file, drawn)
        wrote(pose_file)
        side = VIDEO_PX
        write_video(pose_video, draw_poses(poses, side, side), poses.fps, SPEECH, provenance=drawn)
        wrote(pose_video)
        masks = motion_masks(poses, side, side)
        write_video(mask_video, masks_seen(poses, masks, side, side), poses.fps, SPEECH, provenance=drawn)
        wrote(mask_video)
        shown = _shown(poses.num_frames)
        some = poses.at(shown)
        rows = [
            *[person.picture] * len(shown),
            *draw_poses(some, side, side),
            *masks_seen(some, motion_masks(some, side, side), side, side),
            *draw_frames(person.identity, some, side, side),
            *VideoReader(video, poses.fps)(shown),
        ]
        write_png(sheet, contact_sheet(rows, len(shown)), provenance=made.provenance)
    print(f"done: {video} (with sound), {pose_video}, {mask_video}, {pose_file}, {sheet}")


def animate_photo(args: argparse.Namespace) -> None:
    """The astronaut speaks: demo.mp4, poses.mp4, poses.json, contact_sheet.png and portrait.png in ``--out``."""

    from ..assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
    from ..media import all_or_none, contact_sheet, read_picture, read_recording, write_png, write_video
    from ..pose_files import load_poses, save_poses
    from ..poses.draw import draw_poses
    from ..preview import preview_motion
    from ..provenance import ALGORITHMIC, COMPOSITE_SYNTHETIC, Provenance, digest
    from ..rhythm import rhythm_poses

    video, pose_video, pose_file, sheet, portrait = _new_files(
        args.out, "demo.mp4", "poses.mp4", "poses.json", "contact_sheet.png", "portrait.png"
    )
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

        shown = _shown(poses.num_frames)
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


def _new_files(folder: Path, *names: str) -> list[Path]:
    """Paths in a folder, which is made. Raises InputError if one of them is there."""
    from ..media import check_output

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        check_output(path)
    return paths


def _shown(num_frames: int) -> list[int]:
    """The frames of the contact sheet."""
    import numpy as np

    return np.linspace(0, num_frames - 1, CONTACT_SHEET_COLUMNS).round().astype(int).tolist()


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(frame, (CONTACT_SHEET_PX, CONTACT_SHEET_PX), interpolation=cv2.INTER_AREA)
