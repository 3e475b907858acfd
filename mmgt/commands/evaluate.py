"""``mmgt evaluate``: a video -> its numbers, as JSON, CSV and a Markdown table."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands, show_progress

SUFFIXES = (".json", ".csv", ".md")


def add_parser(commands: Commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="a video's numbers: likeness to a reference, motion, beats, lips",
        description="Measure a video: its frames against a reference (PSNR, SSIM), its background's stillness, its "
        "motion against a reference motion, beats and lips against the speech. Whatever is not given is left out, and "
        "the report says so. Everything is taken at 25 frames a second; what is longer is compared up to the end of "
        "the shorter, a reference of another size is resized to the video's.",
    )
    video = "an mp4, mov or webm"
    evaluate.add_argument("--pred", type=Path, required=True, metavar="VIDEO", help=f"what is evaluated: {video}")
    evaluate.add_argument("--ref", type=Path, metavar="VIDEO", help="the real video of the same moments")
    evaluate.add_argument("--audio", type=Path, metavar="A", help="the speech: a sound file, or a video with sound")
    poses = "the poses of --pred, from `mmgt poses` or of its making: regions, background, motion, lips"
    evaluate.add_argument("--poses", type=Path, metavar="P.json", help=poses)
    evaluate.add_argument("--ref-poses", type=Path, metavar="R.json", help="the reference motion; with --poses")
    photo = "the photo that the background should stay like (default: the first frame); with --poses"
    evaluate.add_argument("--image", type=Path, metavar="I", help=photo)
    out = "writes REPORT.json, REPORT.csv and REPORT.md; none of them may exist yet"
    evaluate.add_argument("--out", type=Path, required=True, metavar="REPORT", help=out)
    evaluate.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Everything is opened before the first frame is measured, and the report is written as a whole or not at all."""
    from ..evaluation.report import report_csv, report_json, report_markdown
    from ..evaluation.video import evaluate_video
    from ..media import VideoReader, all_or_none, check_output, read_picture, read_recording, unfinished_file
    from ..pose_files import load_poses
    from ..poses import POSE_FPS

    stem = args.out.name.removesuffix(args.out.suffix) if args.out.suffix in SUFFIXES else args.out.name
    outputs = [args.out.with_name(stem + suffix) for suffix in SUFFIXES]
    for path in outputs:
        check_output(path)
    report = evaluate_video(
        VideoReader(args.pred, POSE_FPS),
        reference=args.ref and VideoReader(args.ref, POSE_FPS),
        recording=args.audio and read_recording(args.audio),
        poses=args.poses and load_poses(args.poses),
        reference_poses=args.ref_poses and load_poses(args.ref_poses),
        photo=read_picture(args.image) if args.image else None,
        progress=show_progress("evaluate", "frames"),
    )
    given = {"video": args.pred, "reference video": args.ref, "sound": args.audio, "poses": args.poses}
    given |= {"reference poses": args.ref_poses, "photo": args.image}
    inputs = {name: str(path) for name, path in given.items() if path is not None}
    texts = report_json(report, inputs), report_csv(report), report_markdown(report, inputs)
    with all_or_none() as wrote:
        for path, text in zip(outputs, texts, strict=True):
            with unfinished_file(path) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
            wrote(path)
    print(f"{texts[-1]}\ndone: {', '.join(map(str, outputs))}")
