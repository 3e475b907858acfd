"""The lower bounds of pyproject.toml as pip's constraints, one a line: `python .github/oldest.py > oldest.txt`.

Where two groups bound the same package, the higher one counts. torch is left to what its index has.
"""

import re
from pathlib import Path

LEFT_OUT = ("torch", "mmgt", "mypy", "ruff")
text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
bounds: dict[str, tuple[int, ...]] = {}
for name, version in re.findall(r'"([\w-]+)>=([\d.]+)[;"]', text):
    if name not in (*LEFT_OUT, "setuptools", "onnxruntime-gpu"):
        bounds[name] = max(bounds.get(name, ()), tuple(map(int, version.split("."))))
for name, parts in sorted(bounds.items()):
    print(f"{name}~={'.'.join(map(str, (*parts, 0)))}" if len(parts) < 3 else f"{name}=={'.'.join(map(str, parts))}")
