"""``mmgt provenance``: read what a file says of itself, and mark files that others encoded anew."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .terminal import Commands

NOT_MARKED = 3  # exit code of `read`, beside those of cli.main


def add_parser(commands: Commands) -> None:
    provenance = commands.add_parser("provenance", help="read and write what files say of how they were generated")
    actions = provenance.add_subparsers(required=True, metavar="ACTION")

    read = actions.add_parser("read", help="print a file's marks; exit code 0 if it says it is generated, 3 if not")
    read.add_argument("file", type=Path, metavar="FILE", help="a video, a png, jpg or webp, or a pose file")
    read.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    read.set_defaults(run=run_read)

    mark = actions.add_parser("mark", help="copy a video or picture with marks; nothing is encoded anew")
    mark.add_argument("file", type=Path, metavar="FILE", help="what was generated; marks that it has are kept")
    mark.add_argument("--out", type=Path, required=True, metavar="FILE", help="the marked copy; must not exist yet")
    sources = "IPTC's word for how it was made (default: compositeWithTrainedAlgorithmicMedia, an animated photo)"
    mark.add_argument("--source-type", metavar="WORD", help=sources)
    mark.set_defaults(run=run_mark)


def run_read(args: argparse.Namespace) -> int:
    from ..media import read_marks

    marks = read_marks(args.file)
    if args.json:
        print(json.dumps(marks.as_json(), ensure_ascii=False, indent=1))
    else:
        print("\n".join(marks.lines()))
    return 0 if marks.says_generated else NOT_MARKED


def run_mark(args: argparse.Namespace) -> None:
    from ..media import check_markable, mark_file
    from ..provenance import COMPOSITE_WITH_TRAINED, Provenance
    from ..weights.files import sha256_of

    check_markable(args.file, args.out)
    source = COMPOSITE_WITH_TRAINED if args.source_type is None else args.source_type
    mark_file(args.file, args.out, Provenance(source, inputs=(sha256_of(args.file),)))
    print(f"done: {args.out}")
