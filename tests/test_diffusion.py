import math
from itertools import pairwise

import pytest
import torch

from mmgt.diffusion import SPACINGS, cosine_alpha_bar, ddim, dpmpp_2m, spaced_times


def test_alpha_bar_is_the_cosine_schedule():
    """Nichol & Dhariwal: alpha_bar(t) = f(t) / f(0), until the betas are clipped near the end."""

    def f(i):
        return math.cos((i / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = torch.tensor([f(i + 1) / f(0) for i in range(990)])
    torch.testing.assert_close(cosine_alpha_bar()[:990], expected, rtol=2e-4, atol=1e-7)


def test_times_are_even_and_end_at_the_clean_sample():
    assert spaced_times(50) == [*range(999, -1, -20), -1]


def test_a_perfect_denoiser_is_followed_to_its_sample():
    target = torch.linspace(-1, 1, 7)
    seen = []

    def denoise(x, step_idx):
        seen.append((step_idx, x))
        return target

    generator = torch.Generator().manual_seed(0)
    draws = []

    def noise(i):
        draws.append(i)
        return torch.randn(7, generator=generator)

    out = ddim(denoise, noise, spaced_times(10), 1.0, cosine_alpha_bar())
    assert torch.equal(out, target)
    assert draws == list(range(10))
    # at step i the sample has the schedule's signal-to-noise ratio around the target
    step_idx, x = seen[-1]
    alpha_bar = cosine_alpha_bar()[spaced_times(10)[step_idx]]
    noise_part = (x - alpha_bar.sqrt() * target) / (1 - alpha_bar).sqrt()
    assert 0.2 < noise_part.std() < 2


def test_without_eta_the_path_is_deterministic_after_the_first_draw():
    def run(scale):
        return ddim(
            lambda x, _i: x * 0.5,
            lambda i: torch.ones(3) * (1 if i == 0 else scale),
            spaced_times(10),
            0.0,
            cosine_alpha_bar(),
        )

    assert torch.equal(run(1.0), run(7.0))


@pytest.mark.parametrize("num_steps", range(1, 41))
def test_any_number_of_steps_gives_numbers(num_steps):
    """At 5 steps ancestral noise takes all of the first step's, and rounding left a root of -6e-8."""
    path = ddim(lambda x, _i: x, lambda _i: torch.ones(1), spaced_times(num_steps), 1.0, cosine_alpha_bar())
    assert path.isfinite().all()


def test_progress_counts_every_step():
    steps = []
    alpha_bar, times = cosine_alpha_bar(), spaced_times(4)
    ddim(lambda x, _i: x, lambda _i: torch.zeros(1), times, 1.0, alpha_bar, lambda s, n: steps.append((s, n)))
    dpmpp_2m(lambda x, _i: x, lambda _i: torch.zeros(1), times, alpha_bar, lambda s, n: steps.append((s, n)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)] * 2


def test_spacings():
    """Lin et al. 2024, table 2, with the clean sample behind each."""
    assert spaced_times(5, "linspace") == [999, 799, 599, 399, 199, -1]
    assert spaced_times(3, "linspace") == [999, 665, 332, -1]
    assert spaced_times(3, "trailing") == [999, 666, 332, -1]
    assert spaced_times(3, "leading") == [666, 333, 0, -1]
    for spacing in SPACINGS:
        for num_steps in (1, 7, 600, 1000):
            times = spaced_times(num_steps, spacing)
            assert len(times) == num_steps + 1
            assert all(a > b for a, b in pairwise(times))


def test_the_second_order_solver_keeps_closer_to_the_exact_path():
    """Of Gaussian data with deviation s, x stays proportional to sqrt(alpha_bar s^2 + 1 - alpha_bar)."""
    alpha_bar, times, s = cosine_alpha_bar().double(), spaced_times(20), 0.3

    def clean(x, t):
        return x * alpha_bar[t].sqrt() * s**2 / (alpha_bar[t] * s**2 + 1 - alpha_bar[t])

    def deviation(t):
        return (alpha_bar[t] * s**2 + 1 - alpha_bar[t]).sqrt()

    def start(_i):
        return torch.ones(1, dtype=torch.float64)

    def denoise(x, step_idx):
        return clean(x, times[step_idx])

    exact = clean(deviation(times[-2]) / deviation(times[0]), times[-2])
    first = (ddim(denoise, start, times, 0.0, alpha_bar) - exact).abs() / exact
    second = (dpmpp_2m(denoise, start, times, alpha_bar) - exact).abs() / exact
    assert second < first / 3
    assert second < 0.02
