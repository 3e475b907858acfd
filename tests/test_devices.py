"""Networks on another device than what drives them, as on a GPU: ``meta`` stands in for one, as it knows all shapes."""

import numpy as np
import pytest
import torch
from tiny import HEADS, IMAGE_WIDTH, NUM_LAYERS, SPEECH_WIDTH, tiny_state
from tiny_encoders import tiny_wav2vec2, tiny_wavlm
from tiny_smga import tiny_smga
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from mmgt.mmhaa.drive import Drive
from mmgt.mmhaa.load import build_mmhaa
from mmgt.mmhaa.masks import EvenMasks
from mmgt.mmhaa.pictures import PictureSize
from mmgt.mmhaa.sample import Video, VideoOptions, VideoRun, sample_latents
from mmgt.smga.sample import SamplerSettings, sample_track, seeded_noise
from mmgt.speech.encoders import Speech
from mmgt.speech.recording import Recording
from mmgt.standalone.schedulers import make_scheduler

MOVES = (torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default)


class OneDevice(TorchDispatchMode):
    """Refuses what works on tensors of two devices, as a GPU does; ``meta`` alone lets many such operations pass."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor) and t.ndim]
        if func not in MOVES and len({t.device for t in tensors}) > 1:
            raise AssertionError(f"{func} got {[(list(t.shape), str(t.device)) for t in tensors]}")
        return func(*args, **(kwargs or {}))


def gpu(*shape):
    return torch.empty(*shape, device="meta", dtype=torch.float16)


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m", "euler", "unipc"])
def test_a_video_is_sampled_where_the_network_is(monkeypatch, scheduler):
    size, num_frames = PictureSize(64, 128), 10
    networks = build_mmhaa(tiny_state(), **HEADS)
    photo = networks.read_photo(torch.randn(1, 4, *size.latent_shape), torch.randn(1, 1, IMAGE_WIDTH))
    network = networks.video_network.to("meta", torch.float16)
    pictures = torch.rand(num_frames, 3, size.canvas_height_px, size.canvas_width_px)
    speech = torch.randn(num_frames, NUM_LAYERS, SPEECH_WIDTH)
    drive = Drive(num_frames, size, lambda frames: pictures[list(frames)], EvenMasks(size), speech)
    options = VideoOptions(window=6, overlap=2, guidance_end=0.8, reuse_every=2)
    monkeypatch.setattr("mmgt.mmhaa.sample._wrong", lambda fine: [])  # ``meta`` has no numbers
    with OneDevice():
        run = VideoRun(network, Video(photo, drive, options))
        latents = sample_latents(run, gpu(num_frames, 4, *size.latent_shape), make_scheduler(scheduler, 4, None))
    assert (latents.device.type, latents.dtype) == ("meta", torch.float32)


def test_poses_are_sampled_on_the_device_asked_for():
    model = tiny_smga().to("meta")
    device = torch.device("meta")

    def progress(step, num_steps):
        if step == num_steps:
            raise StopIteration  # what follows brings the poses back to the CPU, which ``meta`` cannot

    noise = seeded_noise(0, 200, model.config.num_channels)
    with OneDevice(), pytest.raises(StopIteration):
        sample_track(model, torch.randn(200, 35), torch.zeros(402), noise, SamplerSettings(3), progress, device)


@pytest.mark.parametrize("make", [tiny_wavlm, tiny_wav2vec2])
def test_speech_is_encoded_where_the_network_is(make):
    encoder = make()
    encoder.network.to("meta", torch.float16)
    speech = Speech.of(Recording(np.sin(np.arange(16_000, dtype=np.float32))[None], 16_000))
    layers = encoder.network.feature_extractor.conv_layers
    with OneDevice(), torch.no_grad():
        rows = encoder.rows(encoder.conv_features(speech, layers, 0, 30), torch.arange(15) * 1.5)
    assert (rows.device.type, rows.dtype, len(rows)) == ("meta", torch.float16, 15)
