"""A VIDEO that says it is generated wherever it is saved: by *Save Video*, into memory, by a node of another pack."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfy_api.latest import Input, Types

from ...mmgt.media.marking import Marks, complete_marks, read_marks, with_earlier
from ...mmgt.provenance import Provenance, digest
from ...mmgt.provenance.record import AIGC_TAG, RECORD_TAG
from ...mmgt.weights.files import sha256_of

AUTO_CONTAINER, AUTO_CODEC = Types.VideoContainer.AUTO, Types.VideoCodec.AUTO


def save_marked(
    save: Callable[..., None], provenance: Provenance, path: Any, before: Marks = Marks(), **given: Any
) -> None:
    """Save by core's ``save_to``, which writes the texts, and add what it cannot write. before: of the input's file."""
    provenance = with_earlier(provenance, before)
    marks = {AIGC_TAG: dict(before.aigc or provenance.aigc()), RECORD_TAG: provenance.record()}
    save(path, **{**given, "metadata": {**(given.get("metadata") or {}), **marks}})
    if isinstance(path, (str, Path)):
        complete_marks(Path(path), provenance, before)


class MarkedVideo(Input.Video):
    """A VIDEO as it is, but for its saving. What is made of its pictures is another VIDEO, to be marked again."""

    def __init__(self, video: Any, provenance: Provenance) -> None:
        self.video, self.provenance = video, provenance

    def get_components(self) -> Any:
        return self.video.get_components()

    def save_to(
        self, path: Any, format: Any = AUTO_CONTAINER, codec: Any = AUTO_CODEC, metadata: Any = None, **others: Any
    ) -> None:
        given = {"format": format, "codec": codec, "metadata": metadata, **others}
        save_marked(self.video.save_to, self.provenance, path, marks_of(self.video), **given)

    def as_trimmed(self, *given: Any, **named: Any) -> Any:
        trimmed = self.video.as_trimmed(*given, **named)
        provenance = replace(self.provenance, inputs=(*self.provenance.inputs, json.dumps([given, named])))
        return None if trimmed is None else MarkedVideo(trimmed, provenance)


def _as_the_video(name: str) -> Callable[..., Any]:
    def ask(self: MarkedVideo, *given: Any, **named: Any) -> Any:
        return getattr(self.video, name)(*given, **named)

    return ask


for _name in dir(Input.Video):  # sizes, times and formats; which of them there are differs from core to core
    if _name.startswith("get_") and _name not in ("get_components", "get_stream_source"):
        setattr(MarkedVideo, _name, _as_the_video(_name))


def marks_of(video: Any) -> Marks:
    """What the file of a VIDEO says, or what one that is saved will say."""
    if isinstance(video, MarkedVideo):
        marks = marks_of(video.video)
        return replace(
            marks, record=with_earlier(video.provenance, marks).record(), aigc=marks.aigc or video.provenance.aigc()
        )
    if isinstance(getattr(video, "provenance", None), Provenance):
        return Marks(record=video.provenance.record(), aigc=video.provenance.aigc())
    path = file_of(video)
    return Marks() if path is None else read_marks(path)


def digest_of_video(video: Any) -> str:
    """Of its file, or of its pictures and sound."""
    path = file_of(video)
    if path is not None:
        return sha256_of(path)
    if isinstance(getattr(video, "provenance", None), Provenance):
        return video.provenance.id
    components = video.get_components()
    return digest(components.images, components.audio, float(components.frame_rate))


def file_of(video: Any) -> Path | None:
    """The file that a VIDEO is read from; None for one in memory."""
    source = None if isinstance(video, MarkedVideo) or hasattr(video, "provenance") else _source(video)
    return Path(source) if isinstance(source, str) and Path(source).is_file() else None


def _source(video: Any) -> Any:
    """Without encoding a VIDEO of pictures, of which core would make a file in memory."""
    own = type(video).get_stream_source is not Input.Video.get_stream_source
    return video.get_stream_source() if own else None
