"""Checkpoint files: which are needed, what one is, and networks from them.

``catalog`` the files, ``files`` reading, ``signatures`` recognition, ``build`` networks; ``convert`` and ``download``
are behind ``mmgt weights``.
"""

from .build import build_mmhaa, build_smga, load_mmhaa, load_smga, load_strictly
from .catalog import CATALOG, MMHAA, SMGA, WeightFile, find, missing_sentence
from .files import Checkpoint, open_checkpoint
from .signatures import recognise

SMGA_FILE, MMHAA_FILE = SMGA.name, MMHAA.name

__all__ = [
    "CATALOG",
    "MMHAA_FILE",
    "SMGA_FILE",
    "Checkpoint",
    "WeightFile",
    "build_mmhaa",
    "build_smga",
    "find",
    "load_mmhaa",
    "load_smga",
    "load_strictly",
    "missing_sentence",
    "open_checkpoint",
    "recognise",
]
