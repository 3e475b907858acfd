"""Samplers by name, against a problem whose answer is known: numbers drawn from a normal distribution.

For those the best prediction of v has a closed form, and sampling must give back their mean.
"""

import diffusers
import pytest
import torch

from mmgt.diffusion import PUBLISHED, Parametrisation
from mmgt.errors import InputError
from mmgt.mmhaa.sample import DDIM
from mmgt.standalone.schedulers import SCHEDULERS, DiffusersScheduler, make_scheduler, noise_schedule

MEAN, DEVIATION = 0.7, 0.3
STOCHASTIC = {"dpmpp_2m_sde", "euler_a", "lcm"}


def best_prediction(x, timestep, parametrisation):
    alpha_bar = parametrisation.alpha_bar.double()[int(timestep)]
    gain = alpha_bar.sqrt() * DEVIATION**2 / (alpha_bar * DEVIATION**2 + 1 - alpha_bar)
    x0 = MEAN + gain * (x - alpha_bar.sqrt() * MEAN)
    epsilon = (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
    v = alpha_bar.sqrt() * epsilon - (1 - alpha_bar).sqrt() * x0
    return (epsilon if parametrisation.prediction == "epsilon" else v).float()


def sampled(name, num_steps=12, seed=0, parametrisation=PUBLISHED):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(500, 4, 2, 2, generator=generator)
    scheduler = make_scheduler(name, num_steps, generator, parametrisation)
    x = scheduler.start(noise)
    for step_idx, timestep in enumerate(scheduler.timesteps):
        predicted = best_prediction(scheduler.scale(x, step_idx), timestep, parametrisation)
        x = scheduler.step(x, predicted, step_idx)
    assert len(scheduler.timesteps) == num_steps
    assert scheduler.timesteps[0] == 999  # where the input is nothing but noise
    return x, noise


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_finds_the_distribution(name):
    x, noise = sampled(name)
    assert x.dtype == torch.float32
    assert x.mean() == pytest.approx(MEAN, abs=0.02)
    assert 0.08 < x.std() < DEVIATION  # the last timestep is above 0: what is left is the best guess, not a sample
    # A sampler without noise of its own only moves and scales the noise it started from; the others must not draw the
    # starting noise a second time.
    related = torch.corrcoef(torch.stack([x.flatten(), noise.flatten()]))[0, 1]
    assert related > 0.999 if name not in STOCHASTIC else abs(related) < 0.05


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("prediction", ["v", "epsilon"])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear"])
def test_a_network_is_sampled_as_it_was_trained(name, prediction, schedule):
    x, _ = sampled(name, parametrisation=Parametrisation(prediction, schedule))
    assert x.mean() == pytest.approx(MEAN, abs=0.03)
    assert 0.08 < x.std() < DEVIATION * 1.05


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_same_seed_gives_the_same_sample(name):
    first, again, other = (sampled(name, 5, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("num_steps", [1, 3, 30])
def test_diffusers_ddim_takes_the_authors_steps(num_steps):
    """diffusers' own DDIM steps to t - 1000 // steps too, where its list's next timestep may be another."""
    theirs = DiffusersScheduler(diffusers.DDIMScheduler(**noise_schedule(PUBLISHED), clip_sample=False), num_steps)
    ours = DDIM(num_steps)
    assert theirs.timesteps == ours.timesteps
    generator = torch.Generator().manual_seed(0)
    x = y = torch.randn(2, 4, 3, 3, generator=generator)
    for step_idx in range(num_steps):
        v = torch.randn(2, 4, 3, 3, generator=generator)
        x, y = ours.step(x, v.clone(), step_idx), theirs.step(y, v, step_idx)
    torch.testing.assert_close(x, y, atol=1e-5, rtol=0)  # a step to another timestep is off by 1e-2


@pytest.mark.parametrize(
    ("name", "num_steps", "says"),
    [
        ("heun", 30, "choose one of ddim, dpmpp_2m"),
        ("ddim", 0, "takes 1 to 1000"),
        ("euler", 1001, "takes 1 to 1000"),
        ("lcm", 51, "takes 1 to 50"),
    ],
)
def test_what_no_sampler_takes_is_one_sentence(name, num_steps, says):
    with pytest.raises(InputError, match=says):
        make_scheduler(name, num_steps, torch.Generator())
