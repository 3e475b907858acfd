"""`python importing.py COMFYUI REPOSITORY`: CPU seconds to import the pack and list its nodes, ComfyUI being there."""

import asyncio
import sys
import time

COMFYUI, REPOSITORY = sys.argv[1:]
sys.argv = [sys.argv[0], "--cpu"]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import utils.install_util
import comfy.sd
import comfy_api.latest
import latent_preview
import nodes
from load_pack import load_pack

start = time.process_time()
pack = load_pack(REPOSITORY)
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
print(time.process_time() - start)
