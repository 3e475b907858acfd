"""What all kinds of media files need: PyAV, and an input that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError


def import_av():  # type: ignore[no-untyped-def]
    """PyAV, or an InputError that says how to get it (ComfyUI has it)."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "reading sound and writing video needs PyAV, which is not installed; run `pip install av`."
        ) from error
    return av


def opened(source: Any) -> Any:
    """A film or a sound to read, from a path or an open file. A title in another encoding than UTF-8 is no fault."""
    av = import_av()
    # From 19 on PyAV keeps such letters as surrogates, and has no such option.
    replaced = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    return av.open(local(source) if isinstance(source, Path) else source, **replaced)


def picture_tracks(container: Any) -> list[Any]:
    """A film's picture tracks; the cover of a song is none."""
    cover = import_av().stream.Disposition.attached_pic
    return [video for video in container.streams.video if not video.disposition & cover]


def check_decodable(track: Any, name: str, otherwise: str) -> None:
    """Raise InputError for a track that FFmpeg has no decoder for: an unknown codec, or damage where it is named."""
    if track.codec_context is None:
        raise InputError(f"the {track.type} in {name} is of a kind that cannot be decoded; {otherwise}.")


def check_file(path: Path, kind: str, wanted: str) -> None:
    """Raise InputError unless there is a file with something in it. kind, wanted: what it should be, in words."""
    try:
        is_file = path.is_file()
    except OSError as error:
        raise InputError(
            f"{path.name[:40]}... is no file's name ({error.strerror}); give the path of {wanted}."
        ) from error
    if not is_file:
        raise InputError(f"there is no {kind} {path}; give the path of {wanted}.")
    if path.stat().st_size == 0:
        raise InputError(f"the {kind} {path} is empty (0 bytes); give {wanted}.")


def local(path: Path) -> str:
    """A path as FFmpeg takes it: "10:30.mp4" is a file, not a protocol called 10."""
    return f"file:{path}"
