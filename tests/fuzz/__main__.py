"""Coverage-guided fuzzing: `python -m tests.fuzz PARSER [--minutes N]`, with atheris (`pip install atheris`).

Begins with ``corpus/PARSER``. What is found goes to a temporary folder; the first input that ends in anything but an
InputError, takes 30 s or 4 GB stops it, and is printed.
"""

import argparse
import random
import sys
import tempfile
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
    args = asked.parse_args()
    parser = PARSERS[args.parser]
    found = tempfile.mkdtemp(prefix=f"mmgt-fuzz-{args.parser}-")

    def mutated(content: bytes, most_bytes: int, seed: int) -> bytes:
        draws = random.Random(seed)
        if draws.random() < 0.3:
            return atheris.Mutate(content, most_bytes)
        return changed(content, draws, parser.is_json, most_bytes)

    options = [
        f"-max_total_time={round(60 * args.minutes)}", "-max_len=65536", "-timeout=30", "-rss_limit_mb=4096",
        f"-artifact_prefix={found}/crash-", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], *options, found, str(CORPUS / args.parser)],
        lambda data: parser(data) and None,
        custom_mutator=mutated,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
