"""Runs in ComfyUI's own process and interpreter: both loaders, as on a machine with dynamic VRAM. Prints facts as JSON.

`python loading.py COMFYUI REPOSITORY MMHAA SMGA`; ``test_loading.py`` calls it and checks the facts.
"""

import json
import sys
from pathlib import Path

COMFYUI, REPOSITORY, MMHAA, SMGA = sys.argv[1:]
sys.argv = [sys.argv[0], "--cpu"]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.model_management
import torch
from load_pack import load_pack

load_pack(REPOSITORY)

from mmgt_pack.mmgt.mmhaa.sample import VideoRun
from mmgt_pack.mmgt.smga.sample import SamplerSettings, sample_track, seeded_noise
from mmgt_pack.mmgt.smga.load import load_smga
from mmgt_pack.nodes import host
from small_video import draw, small_video

torch.set_num_threads(1)  # tiny tensors


def predictions():
    """What both networks make of the same inputs, loaded anew: v of one call, poses of two steps."""
    for flag in switched:
        setattr(*flag, True)
    try:
        model = host.load_photo_and_video_model(Path(MMHAA), "fp32")
        smga = host.managed(load_smga(Path(SMGA), ops=host.OPERATIONS, dtype=None))
    finally:
        for flag in switched:
            setattr(*flag, False)
    network, _ = host.on_device(model, 0)
    video = small_video(model, num_frames=4, window=4)
    v = VideoRun(network.network, video).predict(draw(4, 4, *video.drive.size.latent_shape), 500.0)
    stage1, device = host.on_device(smga, 0)
    noise = seeded_noise(0, 80, stage1.config.num_channels)
    features, still = draw(80, stage1.config.audio_channels), torch.zeros(402)
    return v, sample_track(stage1, features, still, noise, SamplerSettings(2), lambda *_: None, device)


def difference(a, b):
    return [float((x - y).abs().max()) for x, y in zip(a, b, strict=True)]


with torch.inference_mode():
    switched: list = []
    plain = predictions()
    facts = {"sizes": [float(tensor.abs().max()) for tensor in plain]}
    try:
        import comfy.memory_management as dynamic

        dynamic.aimdo_enabled  # noqa: B018 (what the layers ask)
    except (ImportError, AttributeError):
        facts["dynamic"] = None
    else:
        switched = [(dynamic, "aimdo_enabled")]
        facts["dynamic"] = difference(predictions(), plain)
        if not comfy.model_management.WINDOWS:
            switched.append((comfy.model_management, "WINDOWS"))
        facts["dynamic_on_windows"] = difference(predictions(), plain)
print(json.dumps(facts))
