"""TAESD's layout against a restatement of it: 64 channels throughout, read strictly as ComfyUI's loader does."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmgt.errors import InputError
from mmgt.standalone.tiny_vae import build_tiny_vae, live_width, taesd_layout
from mmgt.standalone.vae import LATENT_SCALE, decode_latents, encode_picture, load_decoder, load_vae

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(conv(), nn.ReLU(), conv(), nn.ReLU(), conv())

    def forward(self, x):
        return (self.conv(x) + x).relu()


class Clamp(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


def conv(width_in=64, width_out=64, **kw):
    return nn.Conv2d(width_in, width_out, 3, padding=1, **kw)


def published_encoder():
    stages = [layer for _ in range(3) for layer in (conv(stride=2, bias=False), Block(), Block(), Block())]
    return nn.Sequential(conv(3), Block(), *stages, conv(64, 4))


def published_decoder():
    stages = [
        layer for _ in range(3) for layer in (Block(), Block(), Block(), nn.Upsample(scale_factor=2), conv(bias=False))
    ]
    return nn.Sequential(Clamp(), conv(4), nn.ReLU(), *stages, Block(), conv(64, 3))


@pytest.fixture(scope="module")
def written():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = build_tiny_vae(16, 24)
    return vae, taesd_layout(vae.state_dict(), LATENT_SCALE)


def part(tensors, half):
    prefix = f"taesd_{half}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


@torch.no_grad()
def test_the_file_is_the_published_network(written):
    vae, tensors = written
    encoder, decoder = published_encoder(), published_decoder()
    encoder.load_state_dict(part(tensors, "encoder"), strict=True)
    decoder.load_state_dict(part(tensors, "decoder"), strict=True)
    pixels = torch.rand(1, 3, 24, 32)
    latents = encoder(pixels)
    torch.testing.assert_close(vae.encoder(pixels * 2 - 1), latents, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vae.decoder(latents), decoder(latents) * 2 - 1, atol=1e-5, rtol=1e-5)


def test_only_channels_in_use_are_loaded(written, tmp_path):
    vae, tensors = written
    assert (live_width(tensors, "encoder"), live_width(tensors, "decoder")) == (16, 24)
    save_file(tensors, tmp_path / "tiny.safetensors")
    loaded = load_vae(tmp_path / "tiny.safetensors")
    assert loaded.state_dict().keys() == vae.state_dict().keys()
    assert all(torch.equal(value, vae.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_pictures_go_in_and_come_out(written, tmp_path):
    _, tensors = written
    save_file({key: value.half() for key, value in tensors.items()}, tmp_path / "tiny.safetensors")
    vae = load_vae(tmp_path / "tiny.safetensors", torch.float32)
    latents = encode_picture(vae, PICTURE)
    assert latents.shape == (1, 4, 3, 4)
    (frames,) = decode_latents(vae, latents)
    assert frames.shape == (1, 3, 24, 32)
    assert 0 <= frames.min() <= frames.max() <= 1


def test_a_file_that_lacks_a_tensor_is_one_sentence(written, tmp_path):
    _, tensors = written
    save_file({k: v for k, v in tensors.items() if k != "taesd_decoder.3.conv.2.bias"}, tmp_path / "tiny.safetensors")
    with pytest.raises(InputError, match="1 missing"):
        load_vae(tmp_path / "tiny.safetensors")


def test_widths_that_the_layout_does_not_hold():
    for widths in ((4, 16), (16, 72), (12, 16)):
        with pytest.raises(InputError, match="8, 16, 24"):
            build_tiny_vae(*widths)


@pytest.mark.parametrize("layout", ["alone", "both halves", "diffusers"])
def test_a_decoder_serves_in_any_of_its_layouts(tmp_path, layout):
    """Frames are those of the published network; the encoder is not needed."""
    torch.manual_seed(0)
    published = published_decoder()
    alone = published.state_dict()
    tensors = {
        "alone": alone,
        "both halves": {f"taesd_decoder.{key}": value for key, value in alone.items()}
        | {f"taesd_encoder.{key}": value for key, value in published_encoder().state_dict().items()},
        "diffusers": {
            f"decoder.layers.{int(key.split('.')[0]) - 1}.{key.split('.', 1)[1]}": value for key, value in alone.items()
        },
    }[layout]
    path = tmp_path / "decoder.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    latents = torch.randn(5, 4, 3, 4)
    frames = torch.cat(list(decode_latents(load_decoder(path, torch.float32), latents)))
    assert torch.allclose(frames, published(latents).clamp(0, 1), atol=1e-5)


def test_a_decoder_that_is_none_is_said(tmp_path):
    path = tmp_path / "decoder.safetensors"
    tensors = {key: value.contiguous() for key, value in published_decoder().state_dict().items()}
    tensors.pop("1.weight")
    save_file(tensors, path)
    with pytest.raises(InputError, match="missing"):
        load_decoder(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not a VAE"):
        load_decoder(path)
