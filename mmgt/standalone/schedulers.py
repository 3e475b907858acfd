"""Samplers by name for the denoising loop of stage II: the paper's DDIM, and diffusers' with the same noise schedule.

All begin at pure noise (timestep 999). ``ddim`` is the authors' step from t to t - 1000 // steps; the others step to
the next timestep of the list, which at most step numbers differs from that by one now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..diffusion import NUM_TRAIN_STEPS, PUBLISHED, Parametrisation
from ..errors import InputError
from ..mmhaa.sample import DDIM, Scheduler

LCM_MAX_STEPS = 50  # it takes its timesteps from a list of 50


@dataclass(frozen=True)
class _Kind:
    """A scheduler of diffusers. draws_noise: its steps add noise."""

    class_name: str
    draws_noise: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    max_steps: int = NUM_TRAIN_STEPS


_DIFFUSERS = {
    "dpmpp_2m": _Kind("DPMSolverMultistepScheduler"),
    "dpmpp_2m_sde": _Kind(
        "DPMSolverMultistepScheduler", draws_noise=True, options={"algorithm_type": "sde-dpmsolver++"}
    ),
    "euler": _Kind("EulerDiscreteScheduler"),
    "euler_a": _Kind("EulerAncestralDiscreteScheduler", draws_noise=True),
    "unipc": _Kind("UniPCMultistepScheduler"),
    "lcm": _Kind("LCMScheduler", draws_noise=True, options={"clip_sample": False}, max_steps=LCM_MAX_STEPS),
}
SCHEDULERS = ("ddim", *_DIFFUSERS)


def make_scheduler(
    name: str, num_steps: int, generator: torch.Generator, parametrisation: Parametrisation = PUBLISHED
) -> Scheduler:
    """The sampler of that name, for one run of ``sample_latents``.

    generator: where the noise of a stochastic sampler comes from, on the CPU. Let it be the one that drew the starting
    noise: seeded anew it would draw the same noise again. parametrisation: the network's. Raises InputError.
    """
    check_scheduler(name, num_steps)
    if name == "ddim":
        return DDIM(num_steps, parametrisation)
    kind = _DIFFUSERS[name]
    scheduler = import_diffusers(kind.class_name)(**noise_schedule(parametrisation), **kind.options)
    return DiffusersScheduler(scheduler, num_steps, generator if kind.draws_noise else None)


def noise_schedule(parametrisation: Parametrisation) -> dict[str, Any]:
    """How a network of stage II is sampled, in diffusers' terms."""
    predicts_v = parametrisation.prediction == "v"
    return {
        "num_train_timesteps": NUM_TRAIN_STEPS,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": parametrisation.schedule,
        "rescale_betas_zero_snr": predicts_v,
        "prediction_type": "v_prediction" if predicts_v else "epsilon",
        "timestep_spacing": "trailing",
    }


def check_scheduler(name: str, num_steps: int) -> None:
    """Raise InputError unless ``make_scheduler`` takes these."""
    if name not in SCHEDULERS:
        raise InputError(f"there is no scheduler {name}; choose one of {', '.join(SCHEDULERS)}.")
    max_steps = _DIFFUSERS[name].max_steps if name in _DIFFUSERS else NUM_TRAIN_STEPS
    if not 1 <= num_steps <= max_steps:
        raise InputError(f"steps is {num_steps}; {name} takes 1 to {max_steps} (the authors take 30, with ddim).")


class DiffusersScheduler:
    """One of diffusers' schedulers as the denoising loop calls it. It remembers earlier steps: one object, one run.

    generator: for those that draw noise.
    """

    has_memory = True

    def __init__(self, scheduler: Any, num_steps: int, generator: torch.Generator | None = None) -> None:
        scheduler.set_timesteps(num_steps)
        self.scheduler = scheduler
        self.timesteps: Sequence[float] = scheduler.timesteps.tolist()
        self._noise = {} if generator is None else {"generator": generator}

    def start(self, noise: Tensor) -> Tensor:
        return noise * self.scheduler.init_noise_sigma

    def scale(self, x: Tensor, step_idx: int) -> Tensor:
        return self.scheduler.scale_model_input(x, self.scheduler.timesteps[step_idx])

    def step(self, x: Tensor, predicted: Tensor, step_idx: int) -> Tensor:
        return self.scheduler.step(predicted, self.scheduler.timesteps[step_idx], x, **self._noise).prev_sample


def import_diffusers(name: str) -> Any:
    """One class of diffusers, or an InputError that says how to get it."""
    try:
        import diffusers
    except ImportError as error:
        raise InputError(
            "making video outside of ComfyUI needs diffusers, which is not installed; run `pip install diffusers`."
        ) from error
    return getattr(diffusers, name)
