"""``mmgt data``: training sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands, add_models_option, show_progress


def add_parser(commands: Commands) -> None:
    data = commands.add_parser("data", help="make and look at training sets").add_subparsers(required=True)
    synth = data.add_parser("synth", help="draw clips of presenters who do not exist (needs espeak-ng or flite)")
    synth.add_argument("num_clips", type=int, metavar="N", help="how many clips of about 7 to 14 s")
    synth.add_argument("--out", type=Path, required=True, metavar="SET", help="the set's folder; what is there is kept")
    synth.add_argument("--seed", type=int, default=0, help="other seeds, other people and sentences (default: 0)")
    synth.set_defaults(run=run_synth)
    prepare = data.add_parser("prepare", help="films of people who talk -> a training set")
    prepare.add_argument("folder", type=Path, metavar="FOLDER", help="films, in folders named by their speakers")
    prepare.add_argument("--out", type=Path, required=True, metavar="SET", help="the set; what is ready is kept")
    prepare.add_argument("--side", type=int, default=512, metavar="PX", help="of the square films (default: 512)")
    prepare.add_argument("--min-seconds", type=float, default=3.24, metavar="S", help="of a clip (default: 3.24)")
    prepare.add_argument("--test-share", type=float, default=0.1, metavar="X", help="films held out (default: 0.1)")
    add_models_option(prepare)
    prepare.add_argument("--wavlm", type=Path, metavar="FILE", help="WavLM-Large: 1059 features instead of 35")
    prepare.add_argument("--wav2vec2", type=Path, metavar="FILE", help="wav2vec2-base: speech features for stage II")
    prepare.add_argument("--device", default="cpu", help="where these two compute: cpu (default), cuda, mps")
    prepare.add_argument("--jobs", type=int, default=1, metavar="N", help="films at a time (default: 1)")
    prepare.set_defaults(run=run_prepare)
    inspect = data.add_parser("inspect", help="counts, seconds, pose statistics and a contact sheet of a set")
    inspect.add_argument("folder", type=Path, metavar="SET")
    inspect.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet there: pictures over poses")
    inspect.set_defaults(run=run_inspect)


def run_synth(args: argparse.Namespace) -> None:
    from ..training.synth import synthesise

    clips = synthesise(args.num_clips, args.out, args.seed, show_progress("clips"))
    print(f"done: {args.out} with {len(clips.entries)} clips")


def run_prepare(args: argparse.Namespace) -> None:
    """Films -> a set and its report; a film that cannot be used ends nothing."""
    from ..training.film_clips import FilmSettings
    from ..training.prepare import Preparation, prepare

    settings = Preparation(
        film=FilmSettings(args.side, args.min_seconds),
        test_share=args.test_share,
        models=args.models,
        wavlm=args.wavlm,
        wav2vec2=args.wav2vec2,
        device=args.device,
        num_processes=args.jobs,
    )
    clips = prepare(args.folder, args.out, settings, show_progress("films", "B"))
    print((args.out / "report.txt").read_text(encoding="utf-8"), end="")
    print(f"done: {args.out} with {len(clips.entries) if clips else 0} clips, {args.out / 'report.json'}")


def run_inspect(args: argparse.Namespace) -> None:
    from ..media import check_output, write_png
    from ..provenance import Provenance
    from ..training.clips import ClipSet
    from ..training.inspection import description, sheet, source_of_sheet

    clips = ClipSet(args.folder)
    if args.sheet:
        check_output(args.sheet)
    print(description(clips))
    if args.sheet:
        source = source_of_sheet(clips)
        made = None if source is None else Provenance(source)
        write_png(args.sheet, sheet(clips), provenance=made, is_generated=source is not None)
        print(f"done: {args.sheet}")
