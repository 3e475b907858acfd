import math

import torch

from mmgt.diffusion import cosine_alpha_bar, ddim, ddim_times


def test_alpha_bar_is_the_cosine_schedule():
    """Nichol & Dhariwal: alpha_bar(t) = f(t) / f(0), until the betas are clipped near the end."""

    def f(i):
        return math.cos((i / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    expected = torch.tensor([f(i + 1) / f(0) for i in range(990)])
    torch.testing.assert_close(cosine_alpha_bar()[:990], expected, rtol=2e-4, atol=1e-7)


def test_times_are_even_and_end_at_the_clean_sample():
    assert ddim_times(50) == [*range(999, -1, -20), -1]


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

    out = ddim(denoise, noise, 10, 1.0, cosine_alpha_bar())
    assert torch.equal(out, target)
    assert draws == list(range(10))
    # at step i the sample has the schedule's signal-to-noise ratio around the target
    step_idx, x = seen[-1]
    alpha_bar = cosine_alpha_bar()[ddim_times(10)[step_idx]]
    noise_part = (x - alpha_bar.sqrt() * target) / (1 - alpha_bar).sqrt()
    assert 0.2 < noise_part.std() < 2


def test_without_eta_the_path_is_deterministic_after_the_first_draw():
    def run(scale):
        return ddim(
            lambda x, _i: x * 0.5, lambda i: torch.ones(3) * (1 if i == 0 else scale), 10, 0.0, cosine_alpha_bar()
        )

    assert torch.equal(run(1.0), run(7.0))


def test_progress_counts_every_step():
    steps = []
    ddim(lambda x, _i: x, lambda _i: torch.zeros(1), 4, 1.0, cosine_alpha_bar(), lambda s, n: steps.append((s, n)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
