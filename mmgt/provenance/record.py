"""The record of how a file was generated, and the texts that carry it: IPTC's source type, China's AIGC label, JSON."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError, check_choice
from .checksums import sha256_of

GENERATOR = "ComfyUI-MMGT"
PRODUCER = "MMGT_PRODUCER"  # environment: who is named as the provider instead of the software
EPOCH = "SOURCE_DATE_EPOCH"  # environment: the time to write, in seconds, for files that are to be equal

# IPTC's NewsCodes of digital source types that fit what is made here. A reader wants the whole URI, not the word.
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = "trainedAlgorithmicMedia"  # by a trained network
COMPOSITE_WITH_TRAINED = "compositeWithTrainedAlgorithmicMedia"  # that, put together with what was captured: a photo
COMPOSITE_SYNTHETIC = "compositeSynthetic"  # something captured and something synthetic, without a trained network
ALGORITHMIC = "algorithmicMedia"  # by rules alone
SOURCE_TYPES = (COMPOSITE_WITH_TRAINED, TRAINED, COMPOSITE_SYNTHETIC, ALGORITHMIC)

# The keys under which the texts lie in a container's metadata; Matroska has them in capitals.
RECORD_TAG, AIGC_TAG, XMP_TAG, COMMENT_TAG = "mmgt_provenance", "AIGC", "XMP", "comment"
_NAMESPACE = uuid.UUID("2f9f1b34-6f0a-5b3e-9a55-6d1d0a5d7c11")  # of our ids; any fixed one


@dataclass(frozen=True)
class Network:
    """A network that took part. name: what it is, never its file's name. sha256: of its file, in hexadecimal."""

    name: str
    sha256: str


def networks_of(files: Mapping[str, Path], progress: Callable[[int, int], None] | None = None) -> tuple[Network, ...]:
    """The networks of files by their names, as the catalogue calls them. Checksums are kept (``checksums``)."""
    return tuple(Network(name, sha256_of(path, progress)) for name, path in sorted(files.items()))


def time_of_making() -> str:
    """Now in UTC, ISO 8601 to the second, or the time that SOURCE_DATE_EPOCH names. Raises InputError for no time."""
    given = os.environ.get(EPOCH)
    try:
        time = datetime.now(timezone.utc) if given is None else datetime.fromtimestamp(int(given), timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{EPOCH} is '{given}'; it must be whole seconds since 1970, or not be set.") from error
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(*values: Any) -> str:
    """sha256 of arrays, tensors, texts, numbers, dataclasses of these, and None, in this order."""
    total = hashlib.sha256()
    for value in values:
        for part in _bytes_of(value):
            total.update(hashlib.sha256(part).digest())
    return total.hexdigest()


def _bytes_of(value: Any) -> list[Any]:
    if is_dataclass(value) and not isinstance(value, type):
        return [part for name in value.__dataclass_fields__ for part in _bytes_of(getattr(value, name))]
    if isinstance(value, (list, tuple)):
        return [part for one in value for part in _bytes_of(one)]
    if isinstance(value, Mapping):
        return [part for name, one in sorted(value.items()) for part in (name.encode(), *_bytes_of(one))]
    if hasattr(value, "detach"):
        import torch

        content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return [f"{value.dtype} {tuple(value.shape)}".encode(), content.data]
    if hasattr(value, "__array__"):
        import numpy as np

        array = np.ascontiguousarray(value)
        return [f"{array.dtype} {array.shape}".encode(), array.reshape(-1).view(np.uint8).data]
    return [repr(value).encode()]


@dataclass(frozen=True)
class Provenance:
    """How something was generated. No file's name, no path and no prompt belongs here: all of it is published.

    source: one of ``SOURCE_TYPES``. networks: that took part. seed: None where nothing was drawn. settings: names to
    numbers and choices. inputs: digests of what it was made of; they are not written, and make the id that of the
    content. made: the time. earlier: records of generated inputs, as they were read.
    """

    source: str = COMPOSITE_WITH_TRAINED
    networks: tuple[Network, ...] = ()
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    made: str = field(default_factory=time_of_making)
    earlier: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_choice("the digital source type", self.source, SOURCE_TYPES)

    @property
    def source_uri(self) -> str:
        return VOCABULARY + self.source

    @property
    def id(self) -> str:
        """Of the same inputs, settings, seed and networks always the same; of all but the time where no inputs are."""
        told = self._told() if self.inputs else {**self._told(), "made": self.made}
        return str(uuid.uuid5(_NAMESPACE, json.dumps([told, self.inputs], sort_keys=True)))

    def _told(self) -> dict[str, Any]:
        return {
            "format": "mmgt-provenance",
            "version": 1,
            "generator": GENERATOR,
            "generator_version": __version__,
            "digital_source_type": self.source_uri,
            "networks": [asdict(network) for network in self.networks],
            "seed": self.seed,
            "settings": dict(self.settings),
            **({"earlier": [dict(record) for record in self.earlier]} if self.earlier else {}),
        }

    def record(self) -> dict[str, Any]:
        """The record as a JSON-able dict."""
        return {**self._told(), "made": self.made, "id": self.id}

    def aigc(self) -> dict[str, str]:
        """The label of GB 45438-2025. Label 1: it is generated. Who passes it on adds the last three."""
        return {
            "Label": "1",
            "ContentProducer": os.environ.get(PRODUCER) or GENERATOR,
            "ProduceID": self.id,
            "ReservedCode1": "",
            "ContentPropagator": "",
            "PropagateID": "",
            "ReservedCode2": "",
        }

    def comment(self) -> str:
        """One line for players, which also lasts where an encoder drops what it does not know."""
        return f"AI-generated: {self.source_uri} by {GENERATOR} {__version__}, id {self.id}"

    def tags(self) -> dict[str, str]:
        """What a container's metadata gets."""
        return {
            AIGC_TAG: as_json(self.aigc()),
            RECORD_TAG: as_json(self.record()),
            COMMENT_TAG: self.comment(),
        }


def sources_of(is_trained: bool) -> tuple[str, str]:
    """The source types of poses, and of a photo that they move, by whether a trained network made the poses."""
    return (TRAINED, COMPOSITE_WITH_TRAINED) if is_trained else (ALGORITHMIC, COMPOSITE_SYNTHETIC)


def as_json(value: Any) -> str:
    """Compact, and the same for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def settings_of(value: Any) -> dict[str, Any]:
    """A settings dataclass as names to numbers, texts and lists of these."""
    return json.loads(json.dumps(asdict(value)))
