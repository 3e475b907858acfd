"""`python importing.py COMFYUI REPOSITORY`: seconds to import the pack and list its nodes, ComfyUI being there."""

import asyncio
import importlib.util
import sys
import time
from pathlib import Path

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

start = time.perf_counter()
spec = importlib.util.spec_from_file_location(
    "mmgt_pack", Path(REPOSITORY) / "__init__.py", submodule_search_locations=[REPOSITORY]
)
pack = sys.modules["mmgt_pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list())
print(time.perf_counter() - start)
