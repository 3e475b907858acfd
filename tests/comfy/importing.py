"""`python importing.py COMFYUI REPOSITORY [BLOCKED ...]`: import the pack and list its nodes, ComfyUI being there.

BLOCKED: libraries that then cannot be imported. Prints as JSON how many nodes there are, and which libraries were
loaded for them beside python's own.
"""

import asyncio
import json
import sys

COMFYUI, REPOSITORY, *BLOCKED = sys.argv[1:]
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

for name in [name for name in sys.modules if name.split(".")[0] in BLOCKED]:
    del sys.modules[name]
sys.modules.update(dict.fromkeys(BLOCKED))
before = set(sys.modules)
pack = load_pack(REPOSITORY)
listed = asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
loaded = {name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names - {"mmgt_pack"}
print(json.dumps({"nodes": len(listed), "loaded": sorted(loaded)}))
