"""``mmgt bench``: speed and memory; the last line is one JSON object."""

from __future__ import annotations

import argparse
import json

from ..errors import InputError
from .terminal import Commands


def add_parser(commands: Commands) -> None:
    bench = commands.add_parser("bench", help="measure speed and memory; the last line is one JSON object")
    bench.add_argument("name", choices=["smga", "preview", "unet", "encoders"])
    bench.add_argument("--runs", type=int, default=5, help="counted runs after one warm-up (default: 5)")
    bench.add_argument("--latent", type=int, metavar="N", help="unet: side of the latents (default: 64)")
    bench.add_argument("--frames", type=int, metavar="N", dest="num_frames", help="unet: frames of the window (12)")
    bench.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="unet: (default: float32)")
    bench.add_argument("--count", action="store_true", default=None, help="unet: only count the FLOP, on meta")
    bench.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from ..bench import BENCHES

    given = {name: getattr(args, name) for name in ("latent", "num_frames", "dtype", "count")}
    options = {name: value for name, value in given.items() if value is not None}
    if options and args.name != "unet":
        raise InputError(f"{', '.join(options)} are for `mmgt bench unet`; `mmgt bench {args.name}` takes only --runs.")
    print(f"measuring {args.name}: one warm-up and {args.runs} runs", flush=True)
    print(json.dumps(BENCHES[args.name](num_runs=args.runs, **options)))
