"""A training run's folder: its settings, its state (resumable to the bit), its curve.

``config.json`` settings, data and version; ``state.safetensors`` weights, average and optimiser after a step;
``losses.csv`` one line a logged step; ``loss.png``. Writes are atomic: what is there under its name is whole.
"""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from .. import __version__
from ..errors import InputError
from .clips import write_atomically, write_text_atomically
from .optimisers import ExponentialAverage

STATE, CONFIG, LOSSES = "state.safetensors", "config.json", "losses.csv"


def step_generator(seed: int, step: int) -> torch.Generator:
    """The draws of one step: they depend on the run's seed and the step only, so a resumed run draws the same."""
    return torch.Generator("cpu").manual_seed((seed * 1_000_003 + step) % 2**63)


@dataclass(frozen=True)
class Run:
    """A folder that a training writes into."""

    folder: Path

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Write the settings of a new run, or check that a run that goes on has the same. Raises InputError if not."""
        config = {"version": __version__, **settings}
        path = self.folder / CONFIG
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(path, json.dumps(config, indent=1))
            return
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [
            f"{name} was {before.get(name)!r} and is {value!r}"
            for name, value in json.loads(json.dumps(settings)).items()
            if before.get(name) != value
        ]
        if changed:
            raise InputError(
                f"{self.folder} holds a run with other settings ({'; '.join(changed[:3])}); give the same settings to "
                "go on, or another --out."
            )

    def save(
        self, step: int, network: nn.Module, average: ExponentialAverage, optimiser: torch.optim.Optimizer
    ) -> None:
        names: dict[Tensor, str] = {parameter: name for name, parameter in network.named_parameters()}
        tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in average.average.items()}
        for parameter, state in optimiser.state.items():
            for entry, value in state.items():
                value = value if isinstance(value, Tensor) else torch.tensor(value)
                tensors[f"optimiser.{entry}.{names[parameter]}"] = value
        write_atomically(self.folder / STATE, {k: v.detach().cpu() for k, v in tensors.items()}, {"step": str(step)})

    def load(self, network: nn.Module, average: ExponentialAverage, optimiser: torch.optim.Optimizer) -> int:
        """Go on where the run was; returns how many steps are done (0 for a new run)."""
        path = self.folder / STATE
        if not path.is_file():
            return 0
        parameters = dict(network.named_parameters())
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}}
        with safe_open(path, framework="pt") as file:
            for key in file.keys():
                part, _, name = key.partition(".")
                if part != "optimiser":
                    parts[part][name] = file.get_tensor(key)
                    continue
                entry, _, name = name.partition(".")
                value = file.get_tensor(key).to(parameters[name].device)
                optimiser.state[parameters[name]][entry] = int(value) if value.dtype == torch.int64 else value
            step = int(file.metadata()["step"])
        network.load_state_dict(parts["network"])
        average.load(parts["average"])
        return step

    def losses(self) -> list[dict[str, float]]:
        path = self.folder / LOSSES
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {name: int(value) if name == "step" else float(value) for name, value in row.items() if value}
                for row in csv.DictReader(file)
            ]

    def log(self, rows: list[dict[str, float]]) -> None:
        """Write all logged rows anew: a run that was killed between state and log has no step twice."""
        names = sorted({name for row in rows for name in row}, key=lambda name: (name != "step", name))
        lines = [",".join(names)] + [",".join(str(row.get(name, "")) for name in names) for row in rows]
        write_text_atomically(self.folder / LOSSES, "\n".join(lines) + "\n")

    def draw_losses(self, rows: list[dict[str, float]]) -> None:
        """loss.png; nothing where matplotlib is not installed (extra ``train``)."""
        try:
            import matplotlib
        except ImportError:
            return
        matplotlib.use("agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
        for name in sorted({name for row in rows for name in row} - {"step"}):
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), label=name)
        axes.set(xlabel="step", yscale="log")
        axes.legend()
        figure.savefig(self.folder / "loss.png")
        pyplot.close(figure)


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C or SIGTERM asks the run to end after the current step."""
    asked: list[int] = []
    previous = {
        number: signal.signal(number, lambda number, _frame: asked.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
