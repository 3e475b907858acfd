"""What ``mmgt preview`` and ``mmgt generate`` share: several seeds of SMGA, of which the best is taken."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..smga.candidates import Score


def add_candidates_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--candidates", type=int, default=1, metavar="N", help="seeds that SMGA tries; the best is taken (default: 1)"
    )


def check_candidates(number: int, has_smga: bool) -> None:
    """Raise InputError for a number that cannot be sampled, or that nothing would come of."""
    from ..smga.candidates import check_number

    check_number(number)
    if number > 1 and not has_smga:
        raise InputError(f"--candidates {number} tries seeds of SMGA, but Rhythm makes the poses; give SMGA, or 1.")


def show_scores(scores: Sequence[Score]) -> None:
    from ..smga.candidates import score_table

    if len(scores) > 1:
        print(score_table(scores), flush=True)
