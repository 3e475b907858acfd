"""What every ``mmgt train`` command has: the options of a run, its processes, and a bar."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..training.team import Team


def add_run(
    parser: argparse.ArgumentParser,
    num_steps: int,
    batch: int,
    seed: int,
    learning_rate: float,
    pictures: bool = True,
) -> None:
    """What every run has. pictures: whether it can draw held-out clips while it learns."""
    parser.add_argument("--data", type=Path, required=True, metavar="SET", help="a training set, see `mmgt data`")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder; a run there goes on")
    parser.add_argument("--steps", type=int, default=num_steps, help=f"default: {num_steps}")
    parser.add_argument("--batch", type=int, default=batch, help=f"samples a step and process (default: {batch})")
    parser.add_argument("--seed", type=int, default=seed, help=f"of all draws (default: {seed})")
    parser.add_argument("--learning-rate", type=float, default=learning_rate, help=f"default: {learning_rate:g}")
    parser.add_argument(
        "--save-every", type=int, default=500, metavar="N", help="steps between checkpoints (default: 500)"
    )
    if pictures:
        parser.add_argument(
            "--sample-every",
            type=int,
            default=0,
            metavar="N",
            help="steps between pictures of held-out clips, the truth above (default: none)",
        )
    parser.add_argument("--tensorboard", action="store_true", help="curves in RUN/tensorboard too")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, cpu (default: auto, the best there is)")


def add_rate(parser: argparse.ArgumentParser) -> None:
    """How the learning rate begins and ends."""
    parser.add_argument(
        "--warm-up", type=int, default=0, metavar="N", help="steps in which the rate rises (default: 0)"
    )
    parser.add_argument("--cool-down", type=int, default=0, metavar="N", help="steps in which it falls (default: 0)")


@contextmanager
def shown(num_steps: int, team: Team) -> Iterator[Callable[[int, int, float], None] | None]:
    """A progress bar with loss, speed and time left."""
    from tqdm import tqdm

    if not team.writes:
        yield None
        return
    with tqdm(total=num_steps, unit="step", mininterval=1) as bar:

        def show(step: int, _num_steps: int, loss: float) -> None:
            if bar.n == 0:
                bar.initial = bar.n = bar.last_print_n = step - 1  # a run that goes on
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(step - bar.n)

        yield show


def gathered(args: argparse.Namespace) -> Team:
    from ..standalone.devices import choose_device
    from ..training.team import Team

    return Team.gathered(choose_device(args.device), force_cpu=args.device == "cpu")


def writing(args: argparse.Namespace) -> dict[str, Any]:
    sample_every = getattr(args, "sample_every", 0)
    if args.save_every < 1 or sample_every < 0:
        raise InputError(
            f"--save-every is {args.save_every} and --sample-every {sample_every}; they must be 1 or more, and 0 "
            "(never) or more."
        )
    return {"save_every": args.save_every, "sample_every": sample_every, "board": args.tensorboard}
