"""Runs in ComfyUI's own process and interpreter: Decode Video to File, killed after some frames.

`python killed.py COMFYUI REPOSITORY DECODES COMFYUI_ARGUMENTS...` decodes 20 frames with a VAE that kills the process
(SIGKILL) when it is called after DECODES times; it prints how often it was called.
"""

import os
import signal
import sys

COMFYUI, REPOSITORY, DECODES, *arguments = sys.argv[1:]
sys.argv = [sys.argv[0], *arguments]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import torch
from load_pack import load_pack

load_pack(REPOSITORY)

from mmgt_pack.mmgt import unfinished_run
from mmgt_pack.nodes import video
from small_parts import SmallVAE

unfinished_run.PART_FRAMES = 8
calls = []


class MortalVAE(SmallVAE):
    def decode(self, latents):
        if len(calls) == int(DECODES):
            os.kill(os.getpid(), signal.SIGKILL)
        calls.append(1)
        return super().decode(latents)


samples = torch.rand(20, 4, 8, 8, generator=torch.Generator().manual_seed(0))
latent = {"samples": samples}
video.DecodeVideoToFile.execute(latent=latent, vae=MortalVAE(), fps=25.0, codec="h264", filename_prefix="killed")
print(len(calls))
