"""``mmgt bench``: speed and memory; the last line is one JSON object."""

from __future__ import annotations

import argparse
import inspect
import json

from ..errors import InputError
from .terminal import Commands


def add_parser(commands: Commands) -> None:
    bench = commands.add_parser("bench", help="measure speed and memory; the last line is one JSON object")
    names = ["smga", "contextual", "preview", "encoders", "unet", "video", "reuse", "provenance", "train"]
    names += ["evaluate", "batch", "gpu"]
    bench.add_argument("name", choices=names)
    bench.add_argument(
        "--runs",
        type=int,
        dest="num_runs",
        help="counted runs (default: 5; reuse 1, evaluate 3, batch 8); provenance: clips (100)",
    )
    bench.add_argument("--latent", type=int, metavar="N", help="unet, video, train: side of the latents (64; train 16)")
    bench.add_argument(
        "--frames", type=int, metavar="N", dest="num_frames", help="unet (12), video, evaluate (80), reuse (750)"
    )
    bench.add_argument(
        "--dtype", choices=["float32", "bfloat16", "float16"], help="unet (float32), contextual (the CPU's quickest)"
    )
    bench.add_argument(
        "--count", action="store_true", default=None, help="only count the FLOP, on meta (video: always)"
    )
    bench.add_argument("--preset", choices=["authors", "fast", "student"], help="video: (default: fast)")
    bench.add_argument("--reuse-every", type=int, metavar="N", help="reuse: whole network at every N-th step (2)")
    bench.add_argument("--device", metavar="NAME", help="gpu: cuda, cuda:1, ...; cpu with --tiny (default: cuda)")
    bench.add_argument("--tiny", action="store_true", default=None, help="gpu: tiny networks, to try it out")
    bench.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from ..bench import BENCHES, TABLES

    bench = BENCHES[args.name]
    given = {
        name: getattr(args, name)
        for name in ("num_runs", "latent", "num_frames", "dtype", "count", "preset", "reuse_every", "device", "tiny")
    }
    options = {name: value for name, value in given.items() if value is not None}
    unknown = options.keys() - inspect.signature(bench).parameters.keys()
    if unknown:
        raise InputError(
            f"`mmgt bench {args.name}` takes no {', '.join(sorted(unknown))}; `mmgt bench --help` says what."
        )
    print(f"{'counting' if args.count or args.name == 'video' else 'measuring'} {args.name}", flush=True)
    result = bench(**options)
    if args.name in TABLES:
        print("\n".join(TABLES[args.name](result)))
    print(json.dumps(result))
