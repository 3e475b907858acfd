"""Runs in ComfyUI's own process and interpreter: all networks on a second device, wholly and partly loaded.

`python second_device.py COMFYUI REPOSITORY NETWORKS TOOL FOLDER`; ``test_second_device.py`` calls it and checks the
facts. NETWORKS: the folder of the small networks' files. TOOL: that of the second device's ``build.py``, FOLDER: where
it is built.
"""

import json
import sys
from pathlib import Path

COMFYUI, REPOSITORY, *folders = sys.argv[1:]
NETWORKS, TOOL, FOLDER = map(Path, folders)
sys.argv = [sys.argv[0], "--cpu"]
sys.path[:0] = [COMFYUI, str(TOOL), str(Path(REPOSITORY) / "tests")]
sys.dont_write_bytecode = True  # the tool's folder may be another's

import comfy.options

comfy.options.enable_args_parsing()

import comfy.model_management as management
import numpy as np
import torch
from build import second_device
from load_pack import load_pack

load_pack(REPOSITORY)

from mmgt_pack.mmgt.mmhaa.sample import DDIM, VideoRun, sample_latents
from mmgt_pack.mmgt.smga.load import load_smga
from mmgt_pack.mmgt.smga.sample import SamplerSettings, sample_track, seeded_noise
from mmgt_pack.mmgt.speech.encoders import Speech, load_wav2vec2, load_wavlm
from mmgt_pack.mmgt.speech.recording import Recording
from mmgt_pack.mmgt.standalone.image_encoder import encode_photo, load_image_encoder
from mmgt_pack.nodes import host
from small_video import draw, small_video

torch.set_num_threads(1)  # tiny tensors
second_device(FOLDER)  # names it "gpu" in this process
GPU, CPU, NUM_FRAMES = torch.device("gpu"), torch.device("cpu"), 5
management.get_free_memory = lambda device=None, torch_free_too=False: (2**33, 2**33) if torch_free_too else 2**33
management.get_total_memory = lambda device=None, torch_total_too=False: (2**33, 2**33) if torch_total_too else 2**33
SHARES = (1.0, 0.5, 0.0)  # of the weights on the device


def difference(a, b):
    return float((a.cpu().float() - b).abs().max() / b.abs().max())


def partly(patcher, share, run):
    """run(device) with a share of a patcher's weights on the second device."""
    budget = 0 if share == 1 else max(0.1, share * patcher.model_size())
    patcher.patch_model(device_to=GPU, lowvram_model_memory=budget)
    on_device = {str(parameter.device.type) for parameter in patcher.model.parameters()}
    try:
        return run(GPU), sorted(on_device)
    finally:
        patcher.unpatch_model(device_to=CPU)


def check(name, patcher, run):
    expected = run(CPU)
    for share in SHARES:
        made, devices = partly(patcher, share, run)
        facts[f"{name} {share}"] = [difference(made, expected), devices]


def track(device):
    stage1 = smga.model
    noise = seeded_noise(0, 80, stage1.config.num_channels)
    features = draw(80, stage1.config.audio_channels)
    return sample_track(stage1, features, torch.zeros(402), noise, SamplerSettings(2), lambda *_: None, device)


def read(device):
    token = draw(1, 1, reference.model.config.image_channels).to(device)
    return torch.cat([t.flatten() for t in reference.model.read_photo(draw(1, 4, 8, 8).to(device), token).values()])


def predict(device, kind=torch.float32):
    run = VideoRun(model.model.network, video)
    x = draw(NUM_FRAMES, 4, *video.drive.size.latent_shape).to(device, kind)
    return torch.cat([run.predict(x, 500.0), run.predict(x, 250.0)])


def sample_alone(device):
    """The loop that runs outside of ComfyUI."""
    run = VideoRun(model.model.network, video)
    return sample_latents(run, draw(NUM_FRAMES, 4, *video.drive.size.latent_shape).to(device), DDIM(3))


def encode(load, name, num_frames):
    """Speech by an encoder where ComfyUI loads it, and where that is. In chunks, if it is long."""
    encoder, _ = host.on_device(host.managed(load(NETWORKS / f"{name}.safetensors")), 0)
    devices = sorted({parameter.device.type for parameter in encoder.parameters()})
    seconds = num_frames / 25
    tone = np.sin(np.arange(int(16_000 * seconds)) ** 1.3 / 40).astype(np.float32)
    return encoder.encode(Speech.of(Recording(tone[None], 16_000)), num_frames), devices


def encode_all():
    return {
        f"{name} {num_frames}": encode(load, name, num_frames)
        for name, load in (("wavlm", load_wavlm), ("wav2vec2", load_wav2vec2))
        for num_frames in (20, 800)
    }


def look(device):
    picture = (draw(70, 50, 3) * 255).numpy().astype(np.uint8)
    return encode_photo(load_image_encoder(NETWORKS / "clip.safetensors").to(device), picture)


def sample():
    latent = {"samples": torch.zeros(NUM_FRAMES, 4, *video.drive.size.latent_shape)}
    sigmas = host.schedule(model, "dpmpp_2m", host.TRAILING, 3)
    rows = host.conditioning(video, True), host.conditioning(video, False)
    return host.sample(model, *rows, latent, 3, 3.5, "dpmpp_2m", sigmas)["samples"]


def force_full_load(module):
    """How core is asked to load it."""
    asked, real = [], management.load_models_gpu
    management.load_models_gpu = lambda *_, **given: asked.append(given["force_full_load"])
    host.on_device(host.managed(module), 0)
    management.load_models_gpu = real
    return asked[0]


facts: dict = {}
with torch.inference_mode():
    model = host.load_photo_and_video_model(NETWORKS / "mmhaa.safetensors", "fp32")
    reference = model.get_attachment("mmgt_photo_reader").reference
    smga = host.managed(load_smga(NETWORKS / "smga.safetensors", ops=host.OPERATIONS, dtype=None))
    video = small_video(model, NUM_FRAMES, window=4, overlap=2, reuse_every=2, guidance_end=0.6)
    by_cpu = sample()
    check("smga", smga, track)
    check("reference", reference, read)
    check("video", model, predict)
    check("loop", model, sample_alone)
    speech_by_cpu = encode_all()
    facts["clip"] = difference(look(GPU), look(CPU))
    facts["whole"] = {
        "torch's layers": force_full_load(torch.nn.Linear(1, 1)),
        "core's": force_full_load(host.OPERATIONS.Linear(1, 1)),
    }
    management.unload_all_models()
    management.get_torch_device = lambda: GPU
    for state in (management.VRAMState.NORMAL_VRAM, management.VRAMState.NO_VRAM):
        management.vram_state = state
        model = host.load_photo_and_video_model(NETWORKS / "mmhaa.safetensors", "fp32")
        facts[f"sampled {state.name}"] = difference(sample(), by_cpu)
        for name, (rows, devices) in encode_all().items():
            facts[f"{name} {state.name}"] = [difference(rows, speech_by_cpu[name][0]), devices]
        management.unload_all_models()
print(json.dumps(facts))
