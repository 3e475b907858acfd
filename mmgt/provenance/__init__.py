"""What generated files say of themselves: who made them, how, and that they are generated. See docs/provenance.md.

``record`` the words, ``xmp`` as XMP, ``boxes`` and ``pictures`` the bytes that hold them in MP4 and in pictures;
``checksums`` of networks; ``content_credentials`` signed, by C2PA;
``watermark`` in frames. ``media.marking`` writes and reads whole files.
"""

from .record import (
    ALGORITHMIC,
    COMPOSITE_SYNTHETIC,
    COMPOSITE_WITH_TRAINED,
    SOURCE_TYPES,
    TRAINED,
    Network,
    Provenance,
    digest,
    networks_of,
)

__all__ = [
    "ALGORITHMIC",
    "COMPOSITE_SYNTHETIC",
    "COMPOSITE_WITH_TRAINED",
    "SOURCE_TYPES",
    "TRAINED",
    "Network",
    "Provenance",
    "digest",
    "networks_of",
]
