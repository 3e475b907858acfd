"""What changes the weights: Adan as SMGA is trained with it, and the moving average that inference loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError


def rate_share(step: int, num_steps: int, warm_up: int = 0, cool_down: int = 0) -> float:
    """Of the learning rate at a step 0..num_steps - 1: it rises during ``warm_up`` steps and falls during the last."""
    rising, falling = (step + 1) / max(warm_up, 1), (num_steps - step) / (cool_down + 1)
    return min(1.0, rising, falling)


def set_rate(
    optimiser: torch.optim.Optimizer,
    learning_rate: float,
    step: int,
    num_steps: int,
    warm_up: int = 0,
    cool_down: int = 0,
) -> None:
    """Give an optimiser the learning rate of a step, see ``rate_share``."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * rate_share(step, num_steps, warm_up, cool_down)


class Adan(torch.optim.Optimizer):
    """Adan (arXiv 2208.06677, algorithm 1). betas are 1 - beta of other papers: 0.02 for a momentum of 0.98.

    As in SMGA's training the first step moves nothing (there is no earlier gradient to differ from) but decays, and the
    bias corrections count it. A parameter without gradient is neither moved nor decayed.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-4,
        betas: tuple[float, float, float] = (0.02, 0.08, 0.01),
        eps: float = 1e-8,
        weight_decay: float = 0.02,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, **{name: group[name] for name in self.defaults})
        return loss

    def _step(
        self,
        parameter: Tensor,
        grad: Tensor,
        lr: float,
        betas: tuple[float, float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state.update({name: torch.zeros_like(grad) for name in ("m", "v", "n")})
        state["step"] += 1
        if state["step"] > 1:
            difference = grad - state["last_grad"]
            for name, now, beta in zip(
                ("m", "v", "n"),
                (grad, difference, (grad + (1 - betas[1]) * difference).square_()),
                betas,
                strict=True,
            ):
                state[name].mul_(1 - beta).add_(now, alpha=beta)
            m, v, n = (
                state[name] / (1 - (1 - beta) ** state["step"])
                for name, beta in zip(("m", "v", "n"), betas, strict=True)
            )
            parameter.sub_(lr * (m + (1 - betas[1]) * v) / (n.sqrt_() + eps))
        parameter.div_(1 + weight_decay * lr)
        state["last_grad"] = grad.clone()


class ExponentialAverage:
    """The moving average of a network's parameters (SMGA: decay 0.9999 at every step, no warm-up).

    It begins as a copy of the parameters that learn. Frozen ones and buffers are not averaged.
    """

    def __init__(self, network: nn.Module, decay: float = 0.9999) -> None:
        self.decay = decay
        self.average = {name: parameter.detach().clone() for name, parameter in _averaged(network)}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        for name, parameter in _averaged(network):
            self.average[name].mul_(self.decay).add_(parameter, alpha=1 - self.decay)

    def load(self, average: Mapping[str, Tensor]) -> None:
        """Continue from an earlier run's average; every name must be there."""
        for name, tensor in self.average.items():
            tensor.copy_(average[name])

    @contextmanager
    def standing_in(self, network: nn.Module) -> Iterator[None]:
        """Within, the network's parameters are the average."""
        learned = {name: parameter.detach().clone() for name, parameter in _averaged(network)}
        try:
            with torch.no_grad():
                for name, parameter in _averaged(network):
                    parameter.copy_(self.average[name])
            yield
        finally:
            with torch.no_grad():
                for name, parameter in _averaged(network):
                    parameter.copy_(learned[name])


def _averaged(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that an average is kept of: those that learn."""
    return ((name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad)


def adamw(
    parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float, eight_bit: bool = False
) -> torch.optim.Optimizer:
    """AdamW with the authors' betas and epsilon. eight_bit: with bitsandbytes, as they train process 2.

    Raises InputError where that is not installed, or where the parameters are not on CUDA.
    """
    parameters = list(parameters)
    given = {"lr": learning_rate, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": weight_decay}
    if not eight_bit:
        return torch.optim.AdamW(parameters, **given)  # type: ignore[arg-type]
    devices = {parameter.device.type for parameter in parameters}
    if devices != {"cuda"}:
        raise InputError(
            f"AdamW in 8 bits runs on CUDA only, but the network is on {', '.join(sorted(devices))}; train without "
            "--eight-bit."
        )
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise InputError(
            "AdamW in 8 bits needs bitsandbytes, which is not installed; run `pip install bitsandbytes`, or train "
            "without --eight-bit."
        ) from error
    return AdamW8bit(parameters, **given)
