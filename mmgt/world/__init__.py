"""A world to learn in: drawn presenters, synthetic voices, gestures by rules. Exact, ours, and nobody's data.

``presenter`` is how a person stands, ``identity`` what they look like; ``drawing`` makes the picture, of ``head`` and
``body`` on a ``canvas``; ``voice`` speaks.
"""

from .drawing import Portrait, draw_frames, draw_presenter, portrait
from .identity import Identity, random_identity

__all__ = ["Identity", "Portrait", "draw_frames", "draw_presenter", "portrait", "random_identity"]
