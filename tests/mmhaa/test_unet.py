"""Properties of the video network at tiny size, where no golden numbers are at hand."""

from dataclasses import replace

import pytest
import torch

from mmgt.mmhaa import blocks, motion
from mmgt.mmhaa.config import UNetConfig
from mmgt.mmhaa.motion import TemporalBlock
from mmgt.mmhaa.unet import UNet, VideoContext

CONFIG = UNetConfig((32, 64, 64, 64), num_heads=4, image_channels=24, audio_channels=16, motion_heads=4)
HEIGHT, WIDTH = 16, 24  # not square


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    reading = replace(CONFIG, audio_channels=None, motion_heads=None, has_output=False)
    return UNet(reading).eval().requires_grad_(False), UNet(CONFIG).eval().requires_grad_(False)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def context_of(networks, num_frames, *, photo_seed=1, speech_seed=2, **changes):
    reading, denoising = networks
    token = draw(1, 1, 24, seed=photo_seed)
    features = reading.read_photo(draw(1, 4, HEIGHT, WIDTH, seed=photo_seed), token)
    masks = tuple(draw(3, num_frames, (HEIGHT >> level) * (WIDTH >> level), seed=3).sigmoid() for level in range(3))
    speech = None if speech_seed is None else draw(num_frames, 5, 16, seed=speech_seed)
    context = VideoContext(
        pose_features=draw(num_frames, CONFIG.widths[0], HEIGHT, WIDTH, seed=4),
        references=denoising.reference_keys_values(features, token),
        audio=denoising.audio_keys_values(speech, denoising.fused_audio_outputs(token)),
        masks=masks,
        strengths=torch.tensor([1.0, 1, 2]),
    )
    return replace(context, **changes)


def run(networks, latents, context):
    return networks[1](latents, torch.tensor([400]), context)[0]


def test_shared_latents_give_what_repeated_latents_give(networks):
    context = context_of(networks, 3)
    latents = draw(3, 4, HEIGHT, WIDTH)
    shared, repeated = run(networks, latents, context), run(networks, latents.repeat(2, 1, 1, 1), context)
    assert shared.shape == (6, 4, HEIGHT, WIDTH)
    torch.testing.assert_close(shared, repeated, atol=2e-5, rtol=0)


def test_parts_of_a_large_window_give_what_the_whole_gives(networks, monkeypatch):
    context, latents = context_of(networks, 3), draw(3, 4, HEIGHT, WIDTH)
    whole, sizes = run(networks, latents, context), []
    forward = TemporalBlock.forward
    monkeypatch.setattr(TemporalBlock, "forward", lambda self, x: (sizes.append(len(x)), forward(self, x))[1])
    monkeypatch.setattr(motion, "MAX_PLACES", 100)
    monkeypatch.setattr(blocks, "CPU_HIDDEN_SIZE", 10_000)
    torch.testing.assert_close(run(networks, latents, context), whole, atol=2e-5, rtol=0)
    assert 50 < max(sizes) <= 100


def test_only_the_second_row_sees_the_photo_and_hears_the_speech(networks):
    latents = draw(3, 4, HEIGHT, WIDTH)
    base = run(networks, latents, context_of(networks, 3))
    for changed in (context_of(networks, 3, photo_seed=8), context_of(networks, 3, speech_seed=9)):
        other = run(networks, latents, changed)
        torch.testing.assert_close(other[:3], base[:3], atol=1e-6, rtol=0)
        assert (other[3:] - base[3:]).abs().max() > 1e-4


def test_each_row_can_run_alone(networks):
    latents = draw(3, 4, HEIGHT, WIDTH)
    both = run(networks, latents, context_of(networks, 3))
    seeing = run(networks, latents, context_of(networks, 3, rows=(True,)))
    plain = run(networks, latents, context_of(networks, 3, rows=(False,)))
    torch.testing.assert_close(torch.cat([plain, seeing]), both, atol=2e-5, rtol=0)
    turned = run(networks, latents, context_of(networks, 3, rows=(True, False)))
    torch.testing.assert_close(turned, torch.cat([seeing, plain]), atol=2e-5, rtol=0)


def test_no_speech_is_what_zero_tokens_are(networks):
    latents, denoising = draw(3, 4, HEIGHT, WIDTH), networks[1]
    zeros = denoising.audio_keys_values(torch.zeros(3, 5, 16), denoising.fused_audio_outputs(latents))
    expected = run(networks, latents, context_of(networks, 3, audio=zeros))
    torch.testing.assert_close(run(networks, latents, context_of(networks, 3, speech_seed=None)), expected)


def test_deep_features_of_the_same_step_change_nothing(networks):
    latents, context = draw(3, 4, HEIGHT, WIDTH), context_of(networks, 3)
    v, deep = networks[1](latents, torch.tensor([400]), context)
    torch.testing.assert_close(networks[1](latents, torch.tensor([400]), context, deep)[0], v, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_fused_output_keeps_its_digits_in_half_precision(networks, dtype):
    """It loses no more than rounding its own result does, though the biases are large."""
    import copy

    block = copy.deepcopy(networks[1].down_blocks[0].audio_modules[0].block)
    for attention, zero_conv in block.branches():
        attention.to_out[0].bias.fill_(3.0)
        zero_conv.bias.fill_(5.0)
    exact = block.fused_output(torch.zeros(1))
    block.to(dtype)
    half = block.fused_output(torch.zeros(1, dtype=dtype))
    step = torch.finfo(dtype).eps
    assert (half.weight.float() - exact.weight).abs().max() < 4 * step * exact.weight.abs().max()


def test_the_lip_branch_acts_through_its_mask(networks):
    """Where the lip mask is zero the lips' speech changes nothing; where it is not, it does."""
    module = networks[1].down_blocks[0].audio_modules[0]
    x, num_places = draw(3, 32, HEIGHT, WIDTH), HEIGHT * WIDTH
    left = (torch.arange(num_places) % WIDTH < WIDTH // 2).float()
    masks = torch.stack([torch.zeros(3, num_places), torch.zeros(3, num_places), left.expand(3, -1)])
    lips_only, output = torch.tensor([0.0, 0.0, 1.0]), module.block.fused_output(x)
    one, other = (
        module(x, module.block.keys_values(draw(3, 5, 16, seed=s), output), masks, lips_only, (True,)) for s in (5, 6)
    )
    moved = (one - other).abs().amax(dim=(0, 1))  # [h, w]
    assert moved[:, : WIDTH // 2].min() > 1e-5
    assert moved[:, WIDTH // 2 :].max() == 0
