"""``mmgt train refine``, ``compare-refine``: a network that mends Preview Motion's frames learns, is judged."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands, show_progress
from .training_run import add_run, gathered, shown, writing


def add_parsers(train: Commands) -> None:
    refine = train.add_parser("refine", help="a network that mends Preview Motion's frames, of a set's drawn people")
    add_run(refine, num_steps=8000, batch=4, seed=0, learning_rate=2e-3)
    refine.add_argument("--people", type=int, default=200, metavar="N", help="drawn to learn from (default: 200)")
    refine.add_argument("--frames", type=int, default=6, metavar="N", help="of each of them (default: 6)")
    refine.add_argument("--side", type=int, default=256, metavar="PX", help="of the pictures (default: 256)")
    refine.add_argument("--crop", type=int, default=64, metavar="PX", help="that a step learns (default: 64)")
    refine.add_argument(
        "--widths",
        type=int,
        nargs="+",
        default=[16, 32, 48, 64],
        metavar="N",
        help="channels at the picture's size, a half, a quarter, an eighth (default: 16 32 48 64)",
    )
    refine.add_argument(
        "--gradient-weight",
        type=float,
        default=1.0,
        help="of the differences between neighbouring pixels in the loss (default: 1)",
    )
    refine.add_argument(
        "--square-weight", type=float, default=5.0, help="of the squared error in the loss (default: 5; the paper's: 0)"
    )
    refine.set_defaults(run=run_refine)

    compare = train.add_parser("compare-refine", help="Preview Motion with and without it, on people it never saw")
    compare.add_argument("--network", type=Path, required=True, metavar="FILE", help="of `mmgt train refine`")
    compare.add_argument("--data", type=Path, required=True, metavar="SET", help="whose held-out clips are taken")
    compare.add_argument("--clips", type=int, default=20, metavar="N", help="default: 20")
    compare.add_argument("--frames", type=int, default=16, metavar="N", help="of each clip (default: 16)")
    compare.add_argument("--seed", type=int, default=0, help="of the people (default: 0)")
    compare.set_defaults(run=run_compare)


def run_refine(args: argparse.Namespace) -> None:
    from ..preview.refinement_network import RefinementConfig
    from ..training.clips import ClipSet
    from ..training.refinement import FILE, RefinementTraining, train_refinement

    team = gathered(args)
    settings = RefinementTraining(
        seed=args.seed,
        num_steps=args.steps,
        num_people=args.people,
        frames_each=args.frames,
        crop_px=args.crop,
        batch=args.batch,
        learning_rate=args.learning_rate,
        gradient_weight=args.gradient_weight,
        square_weight=args.square_weight,
        network=RefinementConfig(widths=tuple(args.widths), side_px=args.side),
    )
    with shown(args.steps, team) as show:
        train_refinement(ClipSet(args.data), args.out, settings, progress=show, team=team, **writing(args))
    if team.writes:
        print(f"done: {args.out / FILE}; give it as --refine, or put it into models/mmgt for Preview Motion")


def run_compare(args: argparse.Namespace) -> None:
    from ..preview.refinement import load_refinement
    from ..training.clips import ClipSet
    from ..training.refinement_proof import prove_refinement
    from ..training.video_proof import video_table

    network, clips = load_refinement(args.network), ClipSet(args.data)
    rows = prove_refinement(network, clips, args.clips, args.frames, args.seed, progress=show_progress("clips"))
    print(video_table(rows, min(args.clips, len(clips.of_split("test")))))
