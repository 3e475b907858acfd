"""Coverage-guided fuzzing: `python -m tests.fuzz PARSER [--minutes N] [--found DIR]`; wants atheris.

N: of CPU time. Begins with ``corpus/PARSER`` and what an earlier run has left in DIR. What it finds goes there, or to a
temporary folder. The first input that ends in anything but an InputError, takes 30 s or 4 GB stops it, and is printed.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["mmgt"]):
    from tests.fuzz.changes import changed
    from tests.fuzz.parsers import CORPUS, PARSERS


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz")
    asked.add_argument("parser", choices=PARSERS)
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--found", metavar="DIR", type=Path)
    args = asked.parse_args()
    parser = PARSERS[args.parser]
    found = args.found or Path(tempfile.mkdtemp(prefix=f"mmgt-fuzz-{args.parser}-"))
    found.mkdir(parents=True, exist_ok=True)
    num_inputs, ends = 0, time.process_time() + 60 * args.minutes

    def read(content: bytes) -> None:
        nonlocal num_inputs
        parser(content)
        num_inputs += 1
        if time.process_time() > ends:
            print(f"{args.parser}: {num_inputs} inputs in {args.minutes:g} CPU minutes, no crash", flush=True)
            os._exit(0)  # libFuzzer's -max_total_time is of the wall clock, and it takes sys.exit for a crash

    def mutated(content: bytes, most_bytes: int, seed: int) -> bytes:
        draws = random.Random(seed)
        if draws.random() < 0.3:
            return atheris.Mutate(content, most_bytes)
        return changed(content, draws, parser.is_json, most_bytes)

    options = [
        "-max_len=65536", "-timeout=30", "-rss_limit_mb=4096", f"-artifact_prefix={found}/crash-",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(found), str(CORPUS / args.parser)], read, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
