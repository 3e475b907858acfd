"""For the scripts that run in ComfyUI's own interpreter."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_pack(repository: str) -> ModuleType:
    """This checkout as module ``mmgt_pack``, loaded as ComfyUI loads a custom node's folder."""
    spec = importlib.util.spec_from_file_location(
        "mmgt_pack", Path(repository) / "__init__.py", submodule_search_locations=[repository]
    )
    pack = sys.modules["mmgt_pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    return pack
