"""Many clips: a manifest of them, made by processes of this machine, by Ray, or in somebody's own Ray Data.

Each clip is one call of ``AnimateClip``; who calls it, where and how often does not change what comes out.
"""

from .animate_clip import AnimateClip
from .clip import Clip, Status
from .manifest import Manifest, read_manifest
from .outputs import Outputs
from .processes import make_by_processes

__all__ = ["AnimateClip", "Clip", "Manifest", "Outputs", "Status", "make_by_processes", "read_manifest"]
