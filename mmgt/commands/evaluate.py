"""``mmgt evaluate``: a video, or a folder of them -> numbers and pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .terminal import Commands, add_models_option, show_progress

NOT_ALL = 3  # exit code: some videos of the folder could not be measured


def add_parser(commands: Commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="a video's numbers: likeness to a reference, motion, beats, lips",
        description="Measure a video: its frames against a reference (PSNR, SSIM), its background's stillness, its "
        "motion against a reference motion, beats and lips against the speech. Whatever is not given is left out, and "
        "the report says so. Everything is taken at 25 frames a second; what is longer is compared up to the end of "
        "the shorter, a reference of another size is resized to the video's. Of a folder every video is measured, with "
        "the files of its name in the other folders; the same command goes on where it ended. A video that cannot be "
        f"measured is listed at the end, and the exit code is {NOT_ALL}.",
    )
    video = "what is evaluated: an mp4, mov or webm, or a folder of them"
    evaluate.add_argument("--pred", type=Path, required=True, metavar="VIDEO|DIR", help=video)
    evaluate.add_argument("--ref", type=Path, metavar="VIDEO|DIR", help="the real video of the same moments")
    evaluate.add_argument("--audio", type=Path, metavar="A|DIR", help="the speech: a sound file, or a video with sound")
    poses = "the poses of --pred, from `mmgt poses` or of its making: regions, background, motion, lips"
    evaluate.add_argument("--poses", type=Path, metavar="P.json|DIR", help=poses)
    evaluate.add_argument("--ref-poses", type=Path, metavar="R.json|DIR", help="the reference motion; with --poses")
    photo = "the photo that the background should stay like (default: the first frame); with --poses"
    evaluate.add_argument("--image", type=Path, metavar="I|DIR", help=photo)
    fgd = "the auto-encoder of poses, from `mmgt train fgd`: FGD; with --ref-poses (default: mmgt_eval/fgd.safetensors)"
    evaluate.add_argument("--fgd", type=Path, metavar="FILE", help=fgd)
    add_models_option(evaluate)
    out = "writes REPORT.json, .csv, .md and pictures, none of which may exist yet; of a folder, a folder"
    evaluate.add_argument("--out", type=Path, required=True, metavar="REPORT", help=out)
    evaluate.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from ..evaluation.pose_autoencoder import FILE
    from ..standalone.evaluate_files import EvaluationFiles, evaluate_folder, evaluate_to_files, found_networks

    networks = found_networks(args.models) | ({} if args.fgd is None else {FILE: args.fgd})
    files = EvaluationFiles(args.pred, args.ref, args.audio, args.poses, args.ref_poses, args.image, networks)
    if args.pred.is_dir():
        clips, written = evaluate_folder(files, args.out, show_progress)
        print(written[-1].read_text(encoding="utf-8"))
        print(f"done: {', '.join(map(str, written))}")
        return NOT_ALL if any(clip.error for clip in clips) else 0
    folder = next((path for path in (args.ref, args.audio, args.poses, args.ref_poses, args.image)
                   if path is not None and path.is_dir()), None)  # fmt: skip
    if folder is not None:
        raise InputError(f"{folder} is a folder, but --pred is not; give a folder of videos, or a file here.")
    _, written = evaluate_to_files(files, args.out, show_progress("evaluate", "frames"))
    print(next(path for path in written if path.suffix == ".md").read_text(encoding="utf-8"))
    print(f"done: {', '.join(map(str, written))}")
    return 0
