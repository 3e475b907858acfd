"""The ``mmgt`` command: the only place with argparse and terminal output."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from . import __version__
from .errors import InputError

CONTACT_SHEET_COLUMNS = 6
CONTACT_SHEET_PX = 256


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 = done, 2 = bad input (one sentence on stderr), 130 = interrupted."""
    args = _parser().parse_args(argv)
    logging.basicConfig(format="mmgt: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        args.run(args)
    except InputError as error:
        print(f"mmgt: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mmgt: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmgt", description="A speech recording and one photo become a moving person."
    )
    parser.add_argument("--version", action="version", version=f"mmgt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="animate the public-domain astronaut portrait; needs no weights")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="new files go here (default: demo)")
    demo.add_argument("--seed", type=int, default=0, help="other seeds, other gestures (default: 0)")
    demo.set_defaults(run=run_demo)

    preview = commands.add_parser("preview", help="animate a portrait by a recording, without diffusion")
    preview.add_argument("--image", type=Path, required=True, metavar="I", help="portrait: png, jpg, webp")
    preview.add_argument("--audio", type=Path, required=True, metavar="A", help="speech: wav, flac, mp3, m4a, ogg")
    preview.add_argument("--out", type=Path, required=True, metavar="V.mp4", help="the video; must not exist yet")
    preview.add_argument("--poses", type=Path, metavar="P.json", help="the portrait's pose, instead of detecting it")
    preview.add_argument("--poses-out", type=Path, metavar="Q.json", help="also write the generated poses")
    preview.add_argument("--smga", type=Path, metavar="FILE", help="SMGA checkpoint; without it Rhythm makes the poses")
    preview.add_argument("--models", type=Path, metavar="DIR", help="folder with the DWPose .onnx files")
    preview.add_argument("--seed", type=int, default=0, help="other seeds, other gestures (default: 0)")
    preview.set_defaults(run=run_preview)

    bench = commands.add_parser("bench", help="measure speed and memory; the last line is one JSON object")
    bench.add_argument("name", choices=["smga", "preview", "unet"])
    bench.add_argument("--runs", type=int, default=5, help="counted runs after one warm-up (default: 5)")
    bench.add_argument("--latent", type=int, metavar="N", help="unet: side of the latents (default: 64)")
    bench.add_argument("--frames", type=int, metavar="N", dest="num_frames", help="unet: frames of the window (12)")
    bench.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="unet: (default: float32)")
    bench.add_argument("--count", action="store_true", default=None, help="unet: only count the FLOP, on meta")
    bench.set_defaults(run=run_bench)
    return parser


def run_demo(args: argparse.Namespace) -> None:
    """The astronaut speaks: demo.mp4, poses.mp4, poses.json, contact_sheet.png and the inputs in ``--out``."""
    from .assets import ASTRONAUT_POSE, SPEECH
    from .draw import draw_poses
    from .media import check_output, contact_sheet, read_recording, write_png, write_video
    from .poses import load_poses, save_poses
    from .rhythm import rhythm_poses
    from .warp import preview_motion

    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise InputError(
            "the demo's portrait comes with scikit-image, which is not installed; run `pip install scikit-image`."
        ) from error

    args.out.mkdir(parents=True, exist_ok=True)
    names = ("demo.mp4", "poses.mp4", "poses.json", "contact_sheet.png", "portrait.png")
    video, pose_video, pose_file, sheet, portrait = (args.out / name for name in names)
    for path in (video, pose_video, pose_file, sheet, portrait):
        check_output(path)

    picture, initial_pose, recording = astronaut(), load_poses(ASTRONAUT_POSE), read_recording(SPEECH)
    print(f"portrait {picture.shape[1]}x{picture.shape[0]} px, speech {recording.seconds:.1f} s", flush=True)
    poses = rhythm_poses(recording, initial_pose, seed=args.seed)
    print(
        f"Rhythm Audio2Pose: {poses.num_frames} frames at {poses.fps:g} fps (rule-based; no SMGA weights)", flush=True
    )
    write_png(portrait, picture)
    save_poses(poses, pose_file)

    shown = np.linspace(0, poses.num_frames - 1, CONTACT_SHEET_COLUMNS).round().astype(int).tolist()
    kept: dict[str, list[np.ndarray]] = {"preview": [], "poses": []}

    def keep(frames: Iterable[np.ndarray], row: str) -> Iterator[np.ndarray]:
        for t, frame in enumerate(frames):
            if t in shown:
                kept[row].append(_thumbnail(frame))
            yield frame

    frames = preview_motion(picture, initial_pose, poses, progress=_progress("preview"))
    write_video(video, keep(frames, "preview"), poses.fps, recording)
    height, width = picture.shape[:2]
    write_video(pose_video, keep(draw_poses(poses, height, width), "poses"), poses.fps, recording)
    write_png(sheet, contact_sheet(kept["preview"] + kept["poses"], CONTACT_SHEET_COLUMNS))
    print(f"done: {video} (with sound), {pose_video}, {pose_file}, {sheet}")


def run_preview(args: argparse.Namespace) -> None:
    """Portrait + recording -> video, by SMGA where a checkpoint is given, else by Rhythm."""
    from .detect import initial_pose_of
    from .detectors import find_detector
    from .media import check_output, read_picture, read_recording, write_video
    from .poses import load_poses, save_poses
    from .rhythm import rhythm_poses
    from .warp import preview_motion

    for path in filter(None, (args.out, args.poses_out)):
        check_output(path)
    picture, recording = read_picture(args.image), read_recording(args.audio)
    height, width = picture.shape[:2]
    if args.poses is not None:
        initial_pose = load_poses(args.poses).still_on(height, width, str(args.poses))
    else:
        initial_pose = initial_pose_of(find_detector(_model_folders(args.models)), picture)
    print(f"portrait {width}x{height} px, speech {recording.seconds:.1f} s", flush=True)

    if args.smga is None:
        poses = rhythm_poses(recording, initial_pose, seed=args.seed)
        print(f"Rhythm Audio2Pose: {poses.num_frames} frames (rule-based; give --smga FILE for SMGA)", flush=True)
    else:
        from .features import encode_speech
        from .smga.sample import sample_poses
        from .weights import load_smga

        model = load_smga(args.smga)
        features = encode_speech(recording).gesture
        poses = sample_poses(model, features, initial_pose, seed=args.seed, progress=_progress("SMGA"))
    if args.poses_out is not None:
        save_poses(poses, args.poses_out)
    frames = preview_motion(picture, initial_pose, poses, progress=_progress("preview"))
    write_video(args.out, frames, poses.fps, recording)
    print(f"done: {args.out}")


def run_bench(args: argparse.Namespace) -> None:
    from .bench import BENCHES

    given = {name: getattr(args, name) for name in ("latent", "num_frames", "dtype", "count")}
    options = {name: value for name, value in given.items() if value is not None}
    if options and args.name != "unet":
        raise InputError(f"{', '.join(options)} are for `mmgt bench unet`; `mmgt bench {args.name}` takes only --runs.")
    print(f"measuring {args.name}: one warm-up and {args.runs} runs", flush=True)
    print(json.dumps(BENCHES[args.name](num_runs=args.runs, **options)))


def _model_folders(given: Path | None) -> list[Path]:
    if given is not None:
        return [given]
    comfyui = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    return [Path("models/mmgt"), comfyui / "models" / "mmgt"]


def _progress(label: str) -> Callable[[int, int], None]:
    """Prints "label 40 %" at every tenth of the work."""
    printed = -1

    def show(step: int, total: int) -> None:
        nonlocal printed
        tenth = step * 10 // total
        if tenth > printed:
            printed = tenth
            print(f"{label} {step * 100 // total} % ({step}/{total})", flush=True)

    return show


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(frame, (CONTACT_SHEET_PX, CONTACT_SHEET_PX), interpolation=cv2.INTER_AREA)
