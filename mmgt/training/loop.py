"""The loop that both stages learn in: steps, averaged gradients, the curve, checkpoints, an end on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .optimisers import ExponentialAverage
from .run import Run, learning, stop_requests
from .team import ALONE, Team

LOG_EVERY = 10  # steps between rows of the curve, which are means over them
Progress = Callable[[int, int, float], None]


@dataclass
class Learner:
    """What learns, and how often it is written down.

    network: its parameters that are not frozen learn. max_norm: of the gradients, clipped beyond; 0 clips nothing.
    checkpoint(step, rows) writes the network for others to read and returns metadata of the state; the last of ``rows``
    may get more numbers (of held-out clips). It is called by rank 0, before the state that a run goes on from.
    samples(step) draws a picture; saved() tidies up after a state. prepare_gradients() is called before each update.
    scaler: of float16's gradients. buffers: tensors besides that the run goes on from; they are loaded in place.
    """

    run: Run
    network: nn.Module
    optimiser: torch.optim.Optimizer
    checkpoint: Callable[[int, list[dict[str, float]]], Mapping[str, str]]
    average: ExponentialAverage | None = None
    samples: Callable[[int], None] | None = None
    team: Team = ALONE
    scaler: Any = None
    max_norm: float = 0.0
    save_every: int = 500
    sample_every: int = 0
    saved: Callable[[], None] = lambda: None
    prepare_gradients: Callable[[], None] = lambda: None
    board: bool = False  # curves for TensorBoard in the run's folder
    rows: list[dict[str, float]] = field(default_factory=list)
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    _writer: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.board and self.team.writes:
            self._writer = tensorboard(self.run.folder / "tensorboard")

    def learn(self, num_steps: int, backward: Callable[[int], float], progress: Progress | None = None) -> None:
        """Steps until ``num_steps`` are done. backward(step) makes the gradients and returns the loss.

        Raises KeyboardInterrupt, with all saved, after Ctrl-C or SIGTERM.
        """
        done = self._resume()
        since: list[float] = []
        with stop_requests() as asked:
            for step in range(done, num_steps):
                self.optimiser.zero_grad(set_to_none=True)
                loss, stop = self.team.mean([backward(step), float(bool(asked))])
                self.update()
                since.append(loss)
                if progress is not None:
                    progress(step + 1, num_steps, loss)
                is_last = step + 1 == num_steps or stop > 0
                saves = is_last or (step + 1) % self.save_every == 0
                if saves or (step + 1) % LOG_EVERY == 0:
                    self.rows.append({"step": step + 1, "loss": float(f"{sum(since) / len(since):.6g}")})
                    since = []
                    self._show(self.rows[-1])
                if self.team.writes and self._samples_at(step + 1, is_last):
                    self.samples(step + 1)  # type: ignore[misc]
                if saves:
                    self._save(step + 1)
                if stop:
                    raise KeyboardInterrupt

    def _samples_at(self, step: int, is_last: bool) -> bool:
        return self.samples is not None and self.sample_every > 0 and (is_last or step % self.sample_every == 0)

    def update(self) -> None:
        """The parameters' next values, of the gradients that all processes have made."""
        parameters = list(learning(self.network).values())
        self.prepare_gradients()
        self.team.average_gradients(parameters)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimiser)
        if self.max_norm:
            nn.utils.clip_grad_norm_(parameters, self.max_norm)
        if self.scaler is None:
            self.optimiser.step()
        else:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        if self.average is not None:
            self.average.update(self.network)

    def _resume(self) -> int:
        done = int(self.run.metadata().get("step", 0))
        if done:
            extra = self.run.load(self.network, self.optimiser, self.average)
            if self.scaler is not None:
                self.scaler.load_state_dict(
                    {**self.scaler.state_dict(), "scale": extra["scale"].item(), "_growth_tracker": int(extra["grown"])}
                )
            for name, tensor in self.buffers.items():
                tensor.copy_(extra[f"buffers.{name}"])
            self.rows = [row for row in self.run.losses() if row["step"] <= done]
        self.team.wait()
        return done

    def _save(self, step: int) -> None:
        if self.team.writes:
            metadata = self.checkpoint(step, self.rows)
            self._show(self.rows[-1])
            self.run.log(self.rows)
            self.run.draw_losses(self.rows)
            extra = {f"buffers.{name}": tensor for name, tensor in self.buffers.items()}
            if self.scaler is not None:
                state = self.scaler.state_dict()
                extra |= {"scale": torch.tensor(state["scale"]), "grown": torch.tensor(state["_growth_tracker"])}
            self.run.save(step, self.network, self.optimiser, self.average, extra, metadata)  # last: it goes on from it
            self.saved()
        self.team.wait()

    def _show(self, row: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(name, value, int(row["step"]))


def tensorboard(folder: Any) -> Any:
    """A writer for TensorBoard. Raises InputError where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("TensorBoard is not installed; run `pip install tensorboard`, or leave it out.") from error
    return SummaryWriter(folder)
