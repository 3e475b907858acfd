"""``mmgt provenance``: read what a file says of itself, and mark files that others encoded anew."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .terminal import Commands

if TYPE_CHECKING:
    from ..provenance.content_credentials import Credentials

NOT_MARKED = 3  # exit code of `read`, beside those of cli.main


def add_parser(commands: Commands) -> None:
    provenance = commands.add_parser("provenance", help="read and write what files say of how they were generated")
    actions = provenance.add_subparsers(required=True, metavar="ACTION")

    read = actions.add_parser("read", help="print a file's marks; exit code 0 if it says it is generated, 3 if not")
    read.add_argument("file", type=Path, metavar="FILE", help="a video, a png, jpg or webp, or a pose file")
    read.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    read.add_argument("--frames", action="store_true", help="look for the invisible mark in the frames, too")
    read.set_defaults(run=run_read)

    mark = actions.add_parser("mark", help="copy a video or picture with marks; nothing is encoded anew")
    mark.add_argument("file", type=Path, metavar="FILE", help="what was generated; marks that it has are kept")
    mark.add_argument("--out", type=Path, required=True, metavar="FILE", help="the marked copy; must not exist yet")
    sources = "IPTC's word for how it was made (default: compositeWithTrainedAlgorithmicMedia, an animated photo)"
    mark.add_argument("--source-type", metavar="WORD", help=sources)
    signing = mark.add_argument_group("Content Credentials (C2PA): sign the copy; needs `pip install c2pa-python`")
    signing.add_argument("--certificate", type=Path, metavar="PEM", help="yours, the signer's first; with --key")
    signing.add_argument("--key", type=Path, metavar="PEM", help="its private key, without a password")
    signing.add_argument("--self-signed", action="store_true", help="by a key made for this file; reads as untrusted")
    signing.add_argument(
        "--timestamp", metavar="URL", help="time-stamp authority to ask (RFC 3161); with --certificate"
    )
    inputs = "the photo it was made of, as an ingredient with its own credentials; may be given again"
    signing.add_argument("--input", type=Path, action="append", default=[], metavar="FILE", help=inputs)
    mark.set_defaults(run=run_mark)


def run_read(args: argparse.Namespace) -> int:
    from ..media.marking import find_mark_in_frames, read_marks
    from ..provenance.watermark import NUM_BITS

    marks = read_marks(args.file)
    seen = find_mark_in_frames(args.file) if args.frames else None
    if args.json:
        frames = {} if seen is None else {"invisible_mark": {"is_there": seen.is_marked, "bits": seen.num_matching}}
        print(json.dumps({**marks.as_json(), **frames}, ensure_ascii=False, indent=1))
    else:
        print("\n".join(marks.lines()))
        if seen is not None:
            print(
                f"invisible mark: {'there' if seen.is_marked else 'not found'} ({seen.num_matching} of {NUM_BITS} bits)"
            )
    return 0 if marks.says_generated or (seen is not None and seen.is_marked) else NOT_MARKED


def run_mark(args: argparse.Namespace) -> None:
    from ..media import check_markable, mark_file
    from ..provenance import COMPOSITE_WITH_TRAINED, Provenance
    from ..weights.files import sha256_of

    check_markable(args.file, args.out)
    credentials = _credentials(args)
    source = COMPOSITE_WITH_TRAINED if args.source_type is None else args.source_type
    mark_file(args.file, args.out, Provenance(source, inputs=(sha256_of(args.file),)), credentials, tuple(args.input))
    print(f"done: {args.out}")


def _credentials(args: argparse.Namespace) -> Credentials | None:
    """Who signs, None for nobody. Raises InputError."""
    from ..media.files import check_file
    from ..provenance.content_credentials import load_credentials, self_signed_credentials

    if (args.certificate is None) != (args.key is None):
        raise InputError("--certificate and --key belong together; give both, or --self-signed, or neither.")
    if args.self_signed and args.certificate is not None:
        raise InputError("--self-signed makes a key of its own; leave it out, or --certificate and --key.")
    if args.timestamp is not None and args.certificate is None:
        raise InputError("--timestamp says when somebody signed; give --certificate and --key with it.")
    is_signed = args.self_signed or args.certificate is not None
    if args.input and not is_signed:
        raise InputError("--input is written into a signed manifest; give --certificate and --key, or --self-signed.")
    for path in args.input:
        check_file(path, "input", "a picture or a video")
    if args.self_signed:
        return self_signed_credentials()
    return load_credentials(args.certificate, args.key, args.timestamp) if is_signed else None
