"""Noise schedules and samplers as pure functions; networks and values are the caller's.

``x`` is the noisy sample, ``x0`` the clean one, alpha_bar the cumulative product of 1 - beta.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from .errors import check_choice

NUM_TRAIN_STEPS = 1000
Prediction = Literal["v", "epsilon"]
Schedule = Literal["scaled_linear", "linear"]


def cosine_alpha_bar(num_steps: int = NUM_TRAIN_STEPS) -> Tensor:
    """[num_steps] float32: cosine schedule (Nichol & Dhariwal 2021, eq. 17), betas clipped at 0.999.

    Betas are rounded to float32 before the cumulative product, as in training.
    """
    i = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    alpha = torch.cos((i + 0.008) / 1.008 * torch.pi / 2) ** 2
    alpha = alpha / alpha[0]
    betas = (1 - alpha[1:] / alpha[:-1]).clamp(0, 0.999).float()
    return torch.cumprod(1 - betas, dim=0)


@dataclass(frozen=True)
class Parametrisation:
    """What a network of stage II predicts, and at which noise levels: as it was trained, so it is sampled.

    prediction: "v" under zero terminal SNR, or "epsilon", the noise; in pure noise that would say nothing of the
    sample, so there the last level keeps a little of it. schedule: of the betas; "scaled_linear" has linear roots
    (SD-1.5). The authors train their network with v and scaled_linear, and sample it as "linear". Raises InputError.
    """

    prediction: Prediction = "v"
    schedule: Schedule = "linear"

    def __post_init__(self) -> None:
        check_choice("the prediction", self.prediction, get_args(Prediction))
        check_choice("the schedule", self.schedule, get_args(Schedule))

    @property
    def alpha_bar(self) -> Tensor:
        """[1000] float32 of the timesteps."""
        return _alpha_bar(self)


PUBLISHED = Parametrisation()  # as the published network is sampled


@cache
def _alpha_bar(parametrisation: Parametrisation) -> Tensor:
    levels = {
        ("v", "linear"): linear_alpha_bar_zero_snr,
        ("v", "scaled_linear"): scaled_linear_alpha_bar_zero_snr,
        ("epsilon", "linear"): linear_alpha_bar,
        ("epsilon", "scaled_linear"): scaled_linear_alpha_bar,
    }
    return levels[parametrisation.prediction, parametrisation.schedule]()


def linear_alpha_bar(first_beta: float = 0.00085, last_beta: float = 0.012) -> Tensor:
    """[1000] float32: linear betas; the last step keeps a little of the sample."""
    return torch.cumprod(1 - _linear_betas(first_beta, last_beta), dim=0)


def scaled_linear_alpha_bar(first_beta: float = 0.00085, last_beta: float = 0.012) -> Tensor:
    """[1000] float32: betas whose roots are linear, as SD-1.5 has them."""
    return torch.cumprod(1 - _linear_betas(first_beta**0.5, last_beta**0.5) ** 2, dim=0)


def linear_alpha_bar_zero_snr(first_beta: float = 0.00085, last_beta: float = 0.012) -> Tensor:
    """[1000] float32: linear betas with zero terminal SNR. MM-HAA is sampled with this schedule."""
    return _zero_terminal_snr(_linear_betas(first_beta, last_beta))


def scaled_linear_alpha_bar_zero_snr(first_beta: float = 0.00085, last_beta: float = 0.012) -> Tensor:
    """[1000] float32: betas whose roots are linear, with zero terminal SNR. MM-HAA is trained with this schedule."""
    return _zero_terminal_snr(_linear_betas(first_beta**0.5, last_beta**0.5) ** 2)


def _linear_betas(first: float, last: float) -> Tensor:
    return torch.linspace(first, last, NUM_TRAIN_STEPS)


def _zero_terminal_snr(betas: Tensor) -> Tensor:
    """alpha_bar of betas, rescaled so that the last step is pure noise (Lin et al. 2024, algorithm 1)."""
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    alpha_bar = root**2
    alpha = torch.cat([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])
    return torch.cumprod(1 - (1 - alpha), dim=0)


def add_noise(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """x of a clean sample: x0 and noise [B, ...], alpha_bar [B] of each sample's timestep."""
    alpha_bar = alpha_bar.view(-1, *[1] * (x0.ndim - 1))
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


def velocity(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """v, what a v-prediction network learns (Salimans & Ho 2022, appendix D); shapes as in ``add_noise``."""
    alpha_bar = alpha_bar.view(-1, *[1] * (x0.ndim - 1))
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0


def velocity_of_noise(epsilon: Tensor, x: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """v of a noisy sample x whose noise is epsilon, all of one shape, at one level above 0. Takes epsilon's place."""
    alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float64)
    return epsilon.add_(x, alpha=-(1 - alpha_bar).sqrt().item()).div_(alpha_bar.sqrt().item())


def signal_to_noise(alpha_bar: Tensor) -> Tensor:
    """SNR of noise levels, same shape; 0 at zero terminal SNR."""
    return alpha_bar / (1 - alpha_bar)


def min_snr_weight_v(alpha_bar: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR weight of a v-prediction loss (Hang et al. 2023): min(snr + 1, gamma) / (snr + 1), same shape."""
    snr = signal_to_noise(alpha_bar) + 1
    return snr.clamp(max=gamma) / snr


def min_snr_weight_epsilon(alpha_bar: Tensor, gamma: float = 5.0) -> Tensor:
    """Min-SNR weight of a loss of the noise (Hang et al. 2023): min(snr, gamma) / snr, same shape; 1 for pure noise."""
    return (gamma / signal_to_noise(alpha_bar)).clamp(max=1)


def trailing_times(num_steps: int) -> list[int]:
    """num_steps timesteps from 999 down, evenly spaced from the end (Lin et al. 2024, table 2)."""
    return [int(t) for t in np.round(np.arange(NUM_TRAIN_STEPS, 0, -NUM_TRAIN_STEPS / num_steps)) - 1]


def trailing_levels(num_steps: int) -> list[int]:
    """num_steps + 1 noise levels that DDIM's sample has at trailing_times(num_steps), and at the end; < 0 is clean.

    The released model steps from t to t - 1000 // num_steps, so its network is at times told one less than the level.
    """
    times = trailing_times(num_steps)
    return [times[0], *(t - NUM_TRAIN_STEPS // num_steps for t in times)]


def ddim_step_v(x: Tensor, v: Tensor, now: Tensor | float, later: Tensor | float) -> Tensor:
    """One deterministic DDIM step of a network that predicts v: alpha_bar now and later (1 at the end).

    The answer takes the place of v, as a long video's latents are large.
    """
    of_x, of_v = ddim_turn_v(now, later)
    return v.mul_(of_v).add_(x, alpha=of_x)


def ddim_turn_v(now: Tensor | float, later: Tensor | float) -> tuple[float, float]:
    """What DDIM's step takes of x and of v, from alpha_bar now to later: of_x * x + of_v * v.

    It is later.sqrt() * x0 + (1 - later).sqrt() * epsilon, where x0 = now.sqrt() * x - (1 - now).sqrt() * v and epsilon
    = now.sqrt() * v + (1 - now).sqrt() * x: a turn in the plane of x and v, so both are 1 and 0 where now is later.
    """
    now, later = torch.as_tensor(now, dtype=torch.float64), torch.as_tensor(later, dtype=torch.float64)
    of_x = (later * now).sqrt() + ((1 - later) * (1 - now)).sqrt()
    of_v = ((1 - later) * now).sqrt() - (later * (1 - now)).sqrt()
    return of_x.item(), of_v.item()


SPACINGS = ("linspace", "trailing", "leading")


def spaced_times(num_steps: int, spacing: str = "linspace") -> list[int]:
    """num_steps + 1 timesteps down to -1, the clean sample (Lin et al. 2024, table 2).

    spacing: "linspace" from 999 to -1, evenly (SMGA's authors); "trailing" from 999, rounded to the nearest; "leading"
    ends at 0, and so begins below 999.
    """
    if spacing == "linspace":
        return [int(t) for t in np.linspace(-1, NUM_TRAIN_STEPS - 1, num_steps + 1)][::-1]
    if spacing == "trailing":
        return [*trailing_times(num_steps), -1]
    return [*range((num_steps - 1) * (NUM_TRAIN_STEPS // num_steps), -1, -(NUM_TRAIN_STEPS // num_steps)), -1]


def ddim(
    denoise: Callable[[Tensor, int], Tensor],
    noise: Callable[[int], Tensor],
    times: Sequence[int],
    eta: float,
    alpha_bar: Tensor,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """DDIM for a network that predicts x0 (Song et al. 2021, eq. 12 and 16; eta 1 = ancestral noise).

    times: of ``spaced_times``. denoise(x, step_idx) -> x0 at timestep times[step_idx]. noise(i) -> unit normal noise:
    i = 0 the starting sample, i = 1, 2, ... the noise added after step i - 1.
    Returns the x0 of the last step.
    """
    recip, recip_m1 = (1 / alpha_bar).sqrt(), (1 / alpha_bar - 1).sqrt()
    x = noise(0)
    for step_idx, (now, later) in enumerate(pairwise(times)):
        x0 = denoise(x, step_idx)
        if later >= 0:
            epsilon = (recip[now] * x - x0) / recip_m1[now]
            sigma = (
                eta * ((1 - alpha_bar[now] / alpha_bar[later]) * (1 - alpha_bar[later]) / (1 - alpha_bar[now])).sqrt()
            )
            direction = (1 - alpha_bar[later] - sigma**2).clamp(min=0).sqrt()  # rounding may leave -6e-8
            x = x0 * alpha_bar[later].sqrt() + direction * epsilon + sigma * noise(step_idx + 1)
        if progress is not None:
            progress(step_idx + 1, len(times) - 1)
    return x0


def dpmpp_2m(
    denoise: Callable[[Tensor, int], Tensor],
    noise: Callable[[int], Tensor],
    times: Sequence[int],
    alpha_bar: Tensor,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """DPM-Solver++(2M) for a network that predicts x0 (Lu et al. 2022, algorithm 2): deterministic, second order.

    Arguments and answer are ``ddim``'s; only noise(0) is drawn. Its first step is DDIM's with eta 0.
    """
    alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    log_snr = alpha.log() - sigma.log()
    x = noise(0)
    before: tuple[Tensor, Tensor] | None = None
    for step_idx, (now, later) in enumerate(pairwise(times)):
        x0 = denoise(x, step_idx)
        if later >= 0:
            step = log_snr[later] - log_snr[now]
            ahead = x0 if before is None else x0 + (x0 - before[0]) * (step / (2 * before[1]))
            x = sigma[later] / sigma[now] * x - alpha[later] * torch.expm1(-step) * ahead
            before = x0, step
        if progress is not None:
            progress(step_idx + 1, len(times) - 1)
    return x0
