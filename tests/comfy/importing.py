"""`python importing.py COMFYUI REPOSITORY`: what it costs to import the pack and list its nodes, ComfyUI being there.

Prints as JSON the CPU seconds, and the libraries that were loaded for it beside python's own.
"""

import asyncio
import json
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

before, start = set(sys.modules), time.process_time()
pack = load_pack(REPOSITORY)
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
seconds = time.process_time() - start
loaded = {name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names - {"mmgt_pack"}
print(json.dumps([seconds, sorted(loaded)]))
