"""Golden files: tensors recorded from the authors' network, found by their name prefix.

``tests/golden`` holds the small ones. ``MMGT_GOLDEN`` names another golden folder: one that holds ``stage1/`` and
``stage2/``, or one of these; without it ``../shared/golden`` beside the checkout is read where it is. A stage is read
from one folder only, as its files belong together. Where a file is missing, one test is skipped and says so.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

_SHIPPED = Path(__file__).parents[1] / "golden"
_GIVEN = Path(os.environ.get("MMGT_GOLDEN") or Path(__file__).parents[3] / "shared" / "golden")
_ROOT = _GIVEN if _GIVEN.is_dir() or "MMGT_GOLDEN" in os.environ else _SHIPPED


def golden_folder(stage: str) -> Path:
    return _ROOT / stage if (_ROOT / stage).is_dir() else _ROOT


def golden_files(stage: str, prefix: str, suffix: str = ".safetensors") -> list:
    """One pytest parameter for each file of the stage whose name starts with ``prefix``."""
    paths = sorted(p for p in golden_folder(stage).glob(f"{prefix}*{suffix}"))
    if paths:
        return [pytest.param(path, id=path.stem) for path in paths]
    reason = f"no golden file {prefix}*{suffix} in {_ROOT} (set MMGT_GOLDEN)"
    return [pytest.param(None, id=f"no-{prefix}", marks=pytest.mark.skip(reason=reason))]


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tensors of a golden file as numpy arrays, and its metadata."""
    with safe_open(path, framework="np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}


def part(tensors: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The tensors below ``prefix.``, without it."""
    return {key.removeprefix(prefix + "."): value for key, value in tensors.items() if key.startswith(prefix + ".")}


def config(metadata: dict[str, str], key: str = "config") -> dict:
    return json.loads(metadata[key])


def onnx_stand_ins(case: str = "*") -> tuple[Path, Path]:
    """A tiny person detector and pose network with DWPose's inputs and outputs; skips the test without them."""
    found = [sorted(golden_folder("stage1").glob(f"dwpose_{case}_tiny_{name}.onnx")) for name in ("yolox", "pose")]
    if not all(found):
        pytest.skip(f"no ONNX stand-ins in {_ROOT} (set MMGT_GOLDEN)")
    return found[0][0], found[1][0]
