"""``mmgt train alignment``, ``tokens``, ``gestures``, ``compare-gestures``: Contextual Gesture learns, is judged."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .terminal import Commands, show_progress
from .training_run import add_rate, add_run, gathered, shown, writing

if TYPE_CHECKING:
    from ..training.team import Team

SIZES = ("paper", "small")


def add_parsers(train: Commands) -> None:
    alignment = train.add_parser("alignment", help="Contextual Gesture, 1: speech and gestures in one space")
    add_run(alignment, num_steps=20_000, batch=128, seed=0, learning_rate=1e-4, pictures=False)
    _add_size(alignment, "towers")
    add_rate(alignment)
    alignment.add_argument(
        "--temperature", type=float, default=0.7, help="of InfoNCE (default: 0.7, as the paper prints it)"
    )
    alignment.add_argument(
        "--no-chronology", action="store_true", help="ablation: speech in another order is not told apart"
    )
    alignment.set_defaults(run=run_alignment)

    tokens = train.add_parser("tokens", help="Contextual Gesture, 2: motion as tokens, by residual VQ")
    add_run(tokens, num_steps=20_000, batch=128, seed=0, learning_rate=2e-4, pictures=False)
    _add_size(tokens, "code books")
    add_rate(tokens)
    tokens.add_argument(
        "--alignment", type=Path, metavar="FILE", help="whose gesture towers are distilled (default: none, an ablation)"
    )
    tokens.add_argument("--codes", type=int, metavar="N", help="of each code book, instead of --size's")
    tokens.add_argument("--commitment", type=float, default=0.02, help="weight in the loss (default: 0.02)")
    tokens.add_argument("--distillation", type=float, default=0.1, help="weight in the loss (default: 0.1)")
    _add_gesture_weight(tokens)
    tokens.add_argument(
        "--from-tokens", type=Path, metavar="FILE", help="trained tokens that stay; their decoders go on learning"
    )
    tokens.set_defaults(run=run_tokens)

    gestures = train.add_parser("gestures", help="Contextual Gesture, 3: speech to tokens")
    add_run(gestures, num_steps=20_000, batch=64, seed=0, learning_rate=2e-4, pictures=False)
    gestures.add_argument("--alignment", type=Path, required=True, metavar="FILE", help="of `mmgt train alignment`")
    gestures.add_argument("--tokens", type=Path, required=True, metavar="FILE", help="of `mmgt train tokens`")
    _add_size(gestures, "transformers' depth (their width is the alignment's)")
    add_rate(gestures)
    gestures.add_argument("--average-decay", type=float, default=0.999, help="of the weights' average (default: 0.999)")
    gestures.add_argument(
        "--motion-weight", type=float, default=50.0, help="of the decoded motion in the loss (default: 50, the paper's)"
    )
    _add_gesture_weight(gestures)
    gestures.add_argument(
        "--all-hidden",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of windows of which only the beginning is shown, as when sampling begins (default: 0, the paper's)",
    )
    gestures.add_argument(
        "--pace-blocks",
        type=int,
        metavar="N",
        help="blocks of convolutions that tell from speech when gestures are fast (default: none, the paper's)",
    )
    gestures.add_argument(
        "--pace-steps", type=int, metavar="N", help="in which they learn; later they overfit (default: all)"
    )
    gestures.add_argument(
        "--from-gestures", type=Path, metavar="FILE", help="a trained network of the same sizes that a run goes on from"
    )
    gestures.set_defaults(run=run_gestures)

    compare = train.add_parser("compare-gestures", help="Contextual Gesture on clips that it never saw: tables")
    compare.add_argument(
        "--network", type=Path, required=True, nargs="+", metavar="FILE", help="of `mmgt train gestures`, one or more"
    )
    compare.add_argument("--data", type=Path, required=True, metavar="SET", help="whose held-out clips are taken")
    compare.add_argument("--fgd", type=Path, metavar="FILE", help="of `mmgt train fgd` (default: no FGD)")
    compare.add_argument("--clips", type=int, default=50, metavar="N", help="default: 50")
    compare.add_argument("--steps", type=int, default=5, help="passes of sampling (default: 5, the paper's)")
    compare.add_argument("--temperature", type=float, default=1.0, help="of sampling (default: 1)")
    compare.add_argument("--pace", type=float, default=2.0, help="strength in sampling (default: 2)")
    compare.add_argument("--seed", type=int, default=0, help="of sampling and batches (default: 0)")
    compare.set_defaults(run=run_compare)


def _add_size(parser: argparse.ArgumentParser, of: str) -> None:
    parser.add_argument("--size", choices=SIZES, default="paper", help=f"of the {of} (default: paper)")


def _add_gesture_weight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gesture-weight",
        type=float,
        default=0.0,
        help="of velocity and acceleration of head, shoulders, elbows and wrists in the loss (default: 0, the paper's)",
    )


def _pace(args: argparse.Namespace) -> tuple[int, int, int, float, int, int]:
    """What the three trainings' settings begin with."""
    return args.seed, args.steps, args.batch, args.learning_rate, args.warm_up, args.cool_down


def _alone(args: argparse.Namespace) -> Team:
    """This process. Raises InputError where there are several."""
    team = gathered(args)
    if team.size > 1:
        raise InputError(
            f"{team.size} processes were started, but Contextual Gesture learns in one (a batch is contrasted as a "
            "whole, and code books are moving averages); start one."
        )
    return team


def _writing(args: argparse.Namespace) -> dict[str, Any]:
    options = writing(args)
    return {"save_every": options["save_every"], "board": options["board"]}


def run_alignment(args: argparse.Namespace) -> None:
    from ..training.clips import ClipSet
    from ..training.gesture_alignment import FILE, SMALL, AlignmentConfig, AlignmentTraining, train_alignment

    team = _alone(args)
    settings = AlignmentTraining(
        *_pace(args),
        args.temperature,
        not args.no_chronology,
        SMALL if args.size == "small" else AlignmentConfig(),
    )
    with shown(args.steps, team) as show:
        train_alignment(ClipSet(args.data), args.out, settings, progress=show, device=team.device, **_writing(args))
    print(f"done: {args.out / FILE}")


def run_tokens(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from ..contextual_gesture.load import load_alignment, load_tokenizers
    from ..training.clips import ClipSet
    from ..training.motion_tokens import FILE, SMALL, TokensConfig, TokensTraining, train_tokens

    team = _alone(args)
    sizes = SMALL if args.size == "small" else TokensConfig()
    settings = TokensTraining(
        *_pace(args),
        args.commitment,
        args.distillation,
        sizes if args.codes is None else replace(sizes, num_codes=args.codes),
        args.gesture_weight,
    )
    alignment = None if args.alignment is None else load_alignment(args.alignment)
    start = None if args.from_tokens is None else load_tokenizers(args.from_tokens)
    given = {"alignment": alignment, "start": start, "device": team.device, **_writing(args)}
    with shown(args.steps, team) as show:
        train_tokens(ClipSet(args.data), args.out, settings, progress=show, **given)
    print(f"done: {args.out / FILE}")


def run_gestures(args: argparse.Namespace) -> None:
    from ..contextual_gesture.load import load_alignment, load_contextual_gesture, load_tokenizers
    from ..training.clips import ClipSet
    from ..training.gestures import FILE, PAPER_LAYERS, SMALL_LAYERS, GesturesTraining, train_gestures

    team = _alone(args)
    layers = SMALL_LAYERS if args.size == "small" else PAPER_LAYERS
    settings = GesturesTraining(
        *_pace(args),
        args.average_decay,
        args.motion_weight,
        *layers,
        args.gesture_weight,
        args.all_hidden,
        args.pace_blocks,
        args.pace_steps,
    )
    networks = load_alignment(args.alignment), load_tokenizers(args.tokens)
    start = None if args.from_gestures is None else load_contextual_gesture(args.from_gestures)
    given = {"start": start, "device": team.device, **_writing(args)}
    with shown(args.steps, team) as show:
        train_gestures(ClipSet(args.data), args.out, settings, *networks, progress=show, **given)
    print(f"done: {args.out / FILE}")


def run_compare(args: argparse.Namespace) -> None:
    from ..contextual_gesture.load import load_contextual_gesture
    from ..contextual_gesture.sample import GestureSettings
    from ..evaluation.pose_autoencoder import load_pose_autoencoder
    from ..training.clips import ClipSet
    from ..training.gesture_proof import compare_gestures, gestures_tables

    settings, clips = GestureSettings(args.steps, args.temperature, pace_strength=args.pace), ClipSet(args.data)
    autoencoder = None if args.fgd is None else load_pose_autoencoder(args.fgd)
    networks = [(path, load_contextual_gesture(path)) for path in args.network]
    for path, network in networks:
        compared = compare_gestures(
            network, clips, args.clips, settings, args.seed, autoencoder, show_progress(path.parent.name or path.name)
        )
        print(f"\n**{path}**\n\n{gestures_tables(compared)}", flush=True)
