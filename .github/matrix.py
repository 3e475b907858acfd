"""The tests under every Python and with the newest and the oldest dependencies: `python .github/matrix.py [--help]`.

Each cell is a fresh venv in a temporary folder: install, run pytest, remove. Pythons are those on PATH and of pyenv.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")


def pythons() -> dict[str, str]:
    """Version -> an interpreter that can make a venv."""
    found = {}
    for version in VERSIONS:
        named = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for path in filter(None, (shutil.which(f"python{version}"), *map(str, named))):
            answer = subprocess.run(
                [path, "-c", "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if answer.stdout.strip() == version:
                found[version] = path
                break
    return found


def cell(python: str, dependencies: str, arguments: list[str], log: Path) -> str:
    """Install and test in a venv; how it ended. All output goes into log."""
    with tempfile.TemporaryDirectory(prefix="mmgt-matrix-") as folder, log.open("w", encoding="utf-8") as said:
        venv = Path(folder, "venv")
        own = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
        # Our own pins beside what is newest: torch without gigabytes of CUDA.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        if dependencies == "oldest":
            bounds = subprocess.run(
                [sys.executable, ROOT / ".github" / "oldest.py"], capture_output=True, text=True, check=True
            )
            Path(folder, "oldest.txt").write_text(bounds.stdout, encoding="utf-8")
            environment["PIP_CONSTRAINT"] = str(Path(folder, "oldest.txt"))
        steps = {
            "venv": [python, "-m", "venv", venv],
            "install": [own, "-m", "pip", "install", "-e", ".[test]"],
            "tests": [own, "-m", "pytest", "-m", "not comfy", *arguments],
        }
        for name, command in steps.items():
            done = subprocess.run(
                list(map(str, command)), cwd=ROOT, env=environment, stdout=said, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode:
                return f"{name} failed ({done.returncode})"
    return "passed"


def main() -> int:
    asked = argparse.ArgumentParser(prog="python .github/matrix.py", description=__doc__)
    asked.add_argument("--python", action="append", choices=VERSIONS, help="only this one; again for more")
    asked.add_argument("--dependencies", choices=["newest", "oldest"], help="default: newest, and oldest for the first")
    asked.add_argument("--logs", type=Path, default=Path(tempfile.gettempdir()), help="folder for what each cell says")
    asked.add_argument("arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="behind --, e.g. -- tests/test_cli.py")
    args = asked.parse_args()
    args.logs.mkdir(parents=True, exist_ok=True)
    there = pythons()
    missing = [version for version in args.python or VERSIONS if version not in there]
    results = dict.fromkeys(((version, "-") for version in missing), "no such Python here")
    for version in args.python or there:
        oldest = [] if version != VERSIONS[0] else ["oldest"]
        for dependencies in [args.dependencies] if args.dependencies else ["newest", *oldest]:
            if version in there:
                log, began = args.logs / f"matrix-{version}-{dependencies}.log", time.monotonic()
                ended = cell(there[version], dependencies, args.arguments, log)
                results[version, dependencies] = f"{ended} in {time.monotonic() - began:.0f} s; {log}"
                print(f"Python {version}, {dependencies}: {results[version, dependencies]}", flush=True)
    for version in missing:
        print(f"Python {version}: no such Python here")
    return int(any(not result.startswith("passed") for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
