"""A training run's folder: its settings, its state (resumable to the bit), its curve.

``config.json`` settings, data and version; ``state.safetensors`` weights, average and optimiser after a step;
``losses.csv`` one line a logged step; ``loss.png``. Writes are atomic: what is there under its name is whole.
"""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from .. import __version__
from ..errors import InputError
from ..output_files import write_text_atomically
from .clips import write_atomically
from .optimisers import ExponentialAverage

STATE, CONFIG, LOSSES = "state.safetensors", "config.json", "losses.csv"
MAY_CHANGE = ("num_steps",)  # of a run that goes on: it may be made longer


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
        for half_written in self.folder.glob(".*.unfinished*"):  # by a process that was killed
            half_written.unlink()
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(path, json.dumps(config, indent=1))
            return
        before = json.loads(path.read_text(encoding="utf-8"))
        settings = json.loads(json.dumps(settings))
        changed = [
            f"{name} was {before.get(name)!r} and is {value!r}"
            for name, value in settings.items()
            if before.get(name) != value and name not in MAY_CHANGE
        ]
        if changed:
            raise InputError(
                f"{self.folder} holds a run with other settings ({'; '.join(changed[:3])}); give the same settings to "
                "go on, or another --out."
            )
        if any(before.get(name) != settings.get(name) for name in MAY_CHANGE):
            write_text_atomically(path, json.dumps({**before, **settings}, indent=1))

    def save(
        self,
        step: int,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: ExponentialAverage | None = None,
        extra: Mapping[str, Tensor] = {},
        metadata: Mapping[str, str] = {},
    ) -> None:
        """Write all that a run goes on from: the parameters that learn, their average, the optimiser; ``extra`` too."""
        parameters = learning(network)
        names: dict[Tensor, str] = {parameter: name for name, parameter in parameters.items()}
        tensors: dict[str, Tensor] = {f"network.{name}": tensor for name, tensor in parameters.items()}
        tensors |= {f"extra.{name}": tensor for name, tensor in extra.items()}
        if average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in average.average.items()}
        for parameter, state in optimiser.state.items():
            for entry, value in state.items():
                value = value if isinstance(value, Tensor) else torch.tensor(value)
                tensors[f"optimiser.{entry}.{names[parameter]}"] = value
        write_atomically(
            self.folder / STATE, {k: v.detach().cpu() for k, v in tensors.items()}, {"step": str(step), **metadata}
        )

    def metadata(self) -> dict[str, str]:
        """The newest state's; empty for a new run."""
        path = self.folder / STATE
        if not path.is_file():
            return {}
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata())

    def load(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, average: ExponentialAverage | None = None
    ) -> dict[str, Tensor]:
        """Go on where the run was, from what ``save`` wrote. Returns its ``extra``."""
        parameters = learning(network)
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "extra": {}}
        with safe_open(self.folder / STATE, framework="pt") as file:
            for key in file.keys():
                part, _, name = key.partition(".")
                if part != "optimiser":
                    parts[part][name] = file.get_tensor(key)
                    continue
                entry, _, name = name.partition(".")
                value = file.get_tensor(key)
                if value.ndim:
                    value = value.to(parameters[name].device)
                is_count = value.ndim == 0 and value.dtype == torch.int64
                optimiser.state[parameters[name]][entry] = int(value) if is_count else value
        if parts["network"].keys() != parameters.keys():
            raise InputError(f"{self.folder / STATE} is the state of another network; give another --out.")
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(parts["network"][name])
        if average is not None:
            average.load(parts["average"])
        return parts["extra"]

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
        """loss.png, one row of axes for each number; nothing where matplotlib is not installed (extra ``train``)."""
        try:
            import matplotlib
        except ImportError:
            return
        matplotlib.use("agg")
        from matplotlib import pyplot

        names = sorted({name for row in rows for name in row} - {"step"})
        figure, panels = pyplot.subplots(
            len(names), 1, figsize=(8, 3 * len(names)), sharex=True, squeeze=False, layout="constrained"
        )
        for axes, name in zip(panels[:, 0], names, strict=True):
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True))
            axes.set(ylabel=name.replace("_", " "), yscale="log")
        panels[-1, 0].set(xlabel="step")
        unfinished = self.folder / ".loss.unfinished.png"
        figure.savefig(unfinished)
        pyplot.close(figure)
        unfinished.replace(self.folder / "loss.png")


def is_best(rows: Sequence[Mapping[str, float]], name: str) -> bool:
    """Whether the last row's number is the smallest of all rows that have it."""
    return rows[-1][name] == min(row[name] for row in rows if name in row)


def learning(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are not frozen, by name."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


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
