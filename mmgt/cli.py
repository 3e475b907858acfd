"""The ``mmgt`` command: which subcommands there are, and how a run ends."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from . import __version__
from .commands import bench, data, demo, generate, pose2video, preview, train, weights
from .errors import InputError


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

    for command in (demo, preview, generate, pose2video, weights, data, train, bench):
        command.add_parser(commands)
    return parser
