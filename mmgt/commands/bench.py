"""``mmgt bench``: speed and memory; the last line is one JSON object."""

from __future__ import annotations

import argparse
import inspect
import json

from ..errors import InputError
from .terminal import Commands


def add_parser(commands: Commands) -> None:
    bench = commands.add_parser("bench", help="measure speed and memory; the last line is one JSON object")
    bench.add_argument("name", choices=["smga", "preview", "encoders", "unet", "video"])
    bench.add_argument("--runs", type=int, default=5, help="counted runs after one warm-up (default: 5)")
    bench.add_argument("--latent", type=int, metavar="N", help="unet, video: side of the latents (default: 64)")
    bench.add_argument("--frames", type=int, metavar="N", dest="num_frames", help="unet (12), video (80)")
    bench.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="unet: (default: float32)")
    bench.add_argument(
        "--count", action="store_true", default=None, help="only count the FLOP, on meta (video: always)"
    )
    bench.add_argument("--preset", choices=["authors", "fast"], help="video: (default: fast)")
    bench.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from ..bench import BENCHES

    bench = BENCHES[args.name]
    given = {name: getattr(args, name) for name in ("latent", "num_frames", "dtype", "count", "preset")}
    options = {name: value for name, value in given.items() if value is not None}
    unknown = options.keys() - inspect.signature(bench).parameters.keys()
    if unknown:
        raise InputError(
            f"`mmgt bench {args.name}` takes no {', '.join(sorted(unknown))}; `mmgt bench --help` says what."
        )
    only_counts = args.count or args.name == "video"
    how = f"counting {args.name}" if only_counts else f"measuring {args.name}: one warm-up and {args.runs} runs"
    print(how, flush=True)
    print(json.dumps(bench(num_runs=args.runs, **options)))
