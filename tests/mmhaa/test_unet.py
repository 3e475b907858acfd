"""Properties of the video network at tiny size, where no golden numbers are at hand."""

from dataclasses import replace

import pytest
import torch

from mmgt.mmhaa.config import UNetConfig
from mmgt.mmhaa.sample import VideoSettings, predict_video, sample_latents
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
    context = VideoContext(
        references=denoising.remember(features, token),
        audio=denoising.listen(draw(num_frames, 5, 16, seed=speech_seed)),
        masks=masks,
        strengths=torch.tensor([1.0, 1, 2]),
        num_frames=num_frames,
    )
    return replace(context, **changes)


def run(networks, latents, context):
    pose = draw(context.num_frames, CONFIG.widths[0], HEIGHT, WIDTH, seed=4)
    return networks[1](latents, torch.tensor([400]), pose, context)


def test_shared_latents_give_what_repeated_latents_give(networks):
    context = context_of(networks, 3)
    latents = draw(3, 4, HEIGHT, WIDTH)
    shared, repeated = run(networks, latents, context), run(networks, latents.repeat(2, 1, 1, 1), context)
    assert shared.shape == (6, 4, HEIGHT, WIDTH)
    torch.testing.assert_close(shared, repeated, atol=2e-5, rtol=0)


def test_only_the_second_row_sees_the_photo_and_hears_the_speech(networks):
    latents = draw(3, 4, HEIGHT, WIDTH)
    base = run(networks, latents, context_of(networks, 3))
    for changed in (context_of(networks, 3, photo_seed=8), context_of(networks, 3, speech_seed=9)):
        other = run(networks, latents, changed)
        torch.testing.assert_close(other[:3], base[:3], atol=1e-6, rtol=0)
        assert (other[3:] - base[3:]).abs().max() > 1e-4


def test_without_guidance_the_row_is_the_one_with_speech(networks):
    latents = draw(3, 4, HEIGHT, WIDTH)
    both = run(networks, latents, context_of(networks, 3))
    alone = run(networks, latents, context_of(networks, 3, num_rows=1))
    torch.testing.assert_close(alone, both[3:], atol=2e-5, rtol=0)


def test_the_lip_branch_acts_through_its_mask(networks):
    """Where the lip mask is zero the lips' speech changes nothing; where it is not, it does."""
    module = networks[1].down_blocks[0].audio_modules[0]
    x, num_places = draw(3, 32, HEIGHT, WIDTH), HEIGHT * WIDTH
    left = (torch.arange(num_places) % WIDTH < WIDTH // 2).float()
    masks = torch.stack([torch.zeros(3, num_places), torch.zeros(3, num_places), left.expand(3, -1)])
    lips_only = torch.tensor([0.0, 0.0, 1.0])
    one, other = (module(x, module.listen(draw(3, 5, 16, seed=s)), masks, lips_only) for s in (5, 6))
    moved = (one - other).abs().amax(dim=(0, 1))  # [h, w]
    assert moved[:, : WIDTH // 2].min() > 1e-5
    assert moved[:, WIDTH // 2 :].max() == 0


def test_a_window_of_a_video_hears_its_own_frames(networks):
    """Frames 2..4 of a longer context equal a context made of these frames alone."""
    speech = draw(6, 5, 16, seed=2)
    whole = networks[1].listen(speech)
    part = networks[1].listen(speech[2:5])
    for path, memory in whole.items():
        for ours, alone in zip(memory.frames(torch.tensor([2, 3, 4])).keys, part[path].keys, strict=True):
            torch.testing.assert_close(ours, alone, atol=1e-6, rtol=0)


@torch.inference_mode()
def test_windows_average_where_they_overlap(networks):
    """A clip of one window is one call; a longer clip is finite and its first frames come from the first window."""
    settings = VideoSettings(num_steps=2, window=4, overlap=2)
    pose = draw(6, CONFIG.widths[0], HEIGHT, WIDTH, seed=4)
    latents = draw(6, 4, HEIGHT, WIDTH)
    context = context_of(networks, 6)
    long = predict_video(networks[1], latents, 400, pose, context, settings)
    assert settings.windows(6) == [[0, 1, 2, 3], [2, 3, 4, 5]]
    first = replace(
        context,
        audio={path: memory.frames(torch.arange(4)) for path, memory in context.audio.items()},
        masks=tuple(level[:, :4] for level in context.masks),
        num_frames=4,
    )
    short = predict_video(networks[1], latents[:4], 400, pose[:4], first, settings)
    torch.testing.assert_close(long[:2], short[:2], atol=2e-5, rtol=0)
    assert (long[2:4] - short[2:4]).abs().max() > 1e-5
    assert torch.isfinite(sample_latents(networks[1], latents, pose, context, settings)).all()
