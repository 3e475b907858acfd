"""`python importing.py COMFYUI REPOSITORY`: what importing the pack and listing its nodes loads, ComfyUI being there.

Prints as JSON the libraries that were loaded for it beside python's own.
"""

import asyncio
import json
import sys

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

before = set(sys.modules)
pack = load_pack(REPOSITORY)
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
loaded = {name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names - {"mmgt_pack"}
print(json.dumps(sorted(loaded)))
