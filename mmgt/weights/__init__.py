"""Checkpoint files: which are needed, what one is, and how its tensors get into a network.

``catalog`` the files, ``places`` where they lie, ``files`` reading, ``signatures`` recognition, ``strict`` loading,
``download``. Each network's own ``load`` lives beside it; ``standalone.convert`` rewrites files.
"""

from .catalog import CATALOG, MMHAA, SMGA, WeightFile, missing_sentence
from .files import Checkpoint, open_checkpoint
from .places import find, in_models, places
from .signatures import recognise
from .strict import load_strictly

SMGA_FILE, MMHAA_FILE = SMGA.name, MMHAA.name

__all__ = [
    "CATALOG",
    "MMHAA_FILE",
    "SMGA",
    "SMGA_FILE",
    "Checkpoint",
    "WeightFile",
    "find",
    "in_models",
    "load_strictly",
    "missing_sentence",
    "open_checkpoint",
    "places",
    "recognise",
]
