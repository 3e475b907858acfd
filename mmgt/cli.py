"""The ``mmgt`` command: which subcommands there are."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from . import __version__
from .commands import (
    ablate,
    batch,
    bench,
    data,
    demo,
    evaluate,
    generate,
    pose2video,
    poses,
    preview,
    provenance,
    train,
    weights,
)
from .commands.caches import caches
from .commands.endings import INTERRUPTED, ending_of, plain_output, signals_like_interrupts


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    0 = done, 2 = bad input (one sentence on stderr), 1 = what nobody foresaw (the same, and a traceback in a file),
    128 + n = ended by signal n (Ctrl-C: 130). A command may end in another code, which its help names.
    """
    with plain_output(), signals_like_interrupts() as received:
        try:
            args = _parser().parse_args(argv)
            if not logging.root.handlers:  # else a program around this one has chosen what it wants to read
                logging.basicConfig(format="mmgt: %(message)s", stream=sys.stderr)
                logging.getLogger("mmgt").setLevel(logging.INFO)  # libraries say what is amiss only
            with caches():
                code = args.run(args)
        except KeyboardInterrupt:
            print("mmgt: interrupted", file=sys.stderr)
            return 128 + received[0] if received else INTERRUPTED
        except Exception as error:  # no traceback reaches whoever typed the command
            code, sentence = ending_of(error)
            print(f"mmgt: error: {sentence}", file=sys.stderr)
            return code
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmgt", description="A speech recording and one photo become a moving person."
    )
    parser.add_argument("--version", action="version", version=f"mmgt {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for command in (
        demo,
        preview,
        generate,
        pose2video,
        batch,
        poses,
        evaluate,
        ablate,
        provenance,
        weights,
        data,
        train,
        bench,
    ):
        command.add_parser(commands)
    return parser
