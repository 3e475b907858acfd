"""Marks in files: written beside a video's streams and a picture's pixels, which stay as they are; and read."""

from __future__ import annotations

import errno
import json
import logging
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..output_files import check_output, unfinished_file
from ..provenance import boxes, pictures, xmp
from ..provenance.content_credentials import C2PA_UUID, Credentials, read_credentials, sign
from ..provenance.record import AIGC_TAG, COMMENT_TAG, RECORD_TAG, SOURCE_TYPES, VOCABULARY, XMP_TAG, Provenance
from ..provenance.watermark import READ_FRAMES, Detection, find_invisible_mark
from .files import check_decodable, check_file, import_av, local, opened
from .pictures import read_picture
from .reading import VideoStream

logger = logging.getLogger("mmgt")

MP4_SUFFIXES = (".mp4", ".mov", ".m4v")
VIDEO_SUFFIXES = (*MP4_SUFFIXES, ".mkv", ".webm")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_PICTURE_BYTES = 2**30
# Source types by which a file says that it is generated or manipulated.
_GENERATED = ("trainedAlgorithmic", "compositeWithTrained", "compositeSynthetic", "algorithmicMedia")


@dataclass(frozen=True)
class Marks:
    """What a file says of itself. xmp: "{namespace}name" -> text. aigc: the label, in XMP or beside it.

    record: ours. packet: the XMP as it lies there. credentials: of C2PA (``read_credentials``). Each is empty where
    there is none or it cannot be read; unread says of which.
    """

    xmp: Mapping[str, str] = field(default_factory=dict)
    aigc: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""
    unread: tuple[str, ...] = ()
    packet: bytes = b""
    credentials: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source_uri(self) -> str:
        """IPTC's digital source type; the comment's, where an encoder left nothing else."""
        in_comment = re.search(re.escape(VOCABULARY) + r"\w+", self.comment)
        told = self.xmp.get(xmp.SOURCE_TYPE) or self.record.get("digital_source_type")
        return str(told or (in_comment.group() if in_comment else ""))

    @property
    def says_generated(self) -> bool:
        """Whether a machine that reads it learns that the file is generated."""
        word = self.source_uri.removeprefix(VOCABULARY)
        return (word != self.source_uri and word.startswith(_GENERATED)) or bool(self.aigc.get("Label"))

    def lines(self) -> list[str]:
        """For people to read."""
        shown = {
            "digital source type": self.source_uri,
            "AIGC label": json.dumps(dict(self.aigc), ensure_ascii=False) if self.aigc else "",
            "record": json.dumps(dict(self.record), ensure_ascii=False) if self.record else "",
            "comment": self.comment,
            "Content Credentials": json.dumps(dict(self.credentials), ensure_ascii=False) if self.credentials else "",
            "XMP": ", ".join(sorted(name.rpartition("}")[2] for name in self.xmp)),
            "cannot be read": ", ".join(self.unread),
        }
        verdict = "says it is generated" if self.says_generated else "no mark says it is generated"
        return [verdict, *(f"{name}: {text}" for name, text in shown.items() if text)]

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "says_generated": self.says_generated,
            "digital_source_type": self.source_uri,
            "aigc": dict(self.aigc),
            "record": dict(self.record),
            "comment": self.comment,
            "content_credentials": dict(self.credentials),
            "xmp": dict(self.xmp),
            "unread": list(self.unread),
        }


def read_marks(path: Path) -> Marks:
    """The marks of a video, a picture (PNG, JPEG, WebP) or a pose file. Raises InputError for anything else."""
    check_file(path, "file", "a video, a picture or a pose file")
    with path.open("rb") as file:
        head = file.read(16)
    if pictures.is_markable(head):
        content = path.read_bytes()
        found = _marks(pictures.read_xmp(content), {})
        return replace(found, credentials=read_credentials(path)) if pictures.has_manifest(content) else found
    if path.suffix.lower() == ".json":
        return _marks_of_poses(path)
    tags = _tags(path)
    packet = boxes.read_xmp(path) if _is_mp4(path) else None
    found = _marks(packet or tags.get(XMP_TAG.lower(), "").encode(), tags)
    return replace(found, credentials=read_credentials(path)) if _has_manifest(path) else found


def _marks(packet: bytes | None, tags: Mapping[str, str]) -> Marks:
    unread: list[str] = []
    found = xmp.properties(packet) if packet else {}
    if packet and not found:
        unread.append("XMP")

    def parsed(name: str, *texts: str | None) -> Mapping[str, Any]:
        for text in filter(None, texts):
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                inner = value.get(AIGC_TAG)
                return inner if isinstance(inner, dict) else value
            unread.append(name)
        return {}

    aigc = parsed("AIGC", tags.get(AIGC_TAG.lower()), found.get(xmp.AIGC))
    record = parsed("the record", tags.get(RECORD_TAG), found.get(xmp.RECORD))
    return Marks(found, aigc, record, tags.get(COMMENT_TAG, ""), tuple(unread), packet or b"")


def _marks_of_poses(path: Path) -> Marks:
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); give a pose file, a video or a picture.") from error
    data = data if isinstance(data, dict) else {}
    record, aigc = (value if isinstance(value := data.get(name), dict) else {} for name in (RECORD_TAG, AIGC_TAG))
    return Marks(aigc=aigc, record=record)


def _tags(path: Path) -> dict[str, str]:
    """A container's texts by their names in small letters."""
    av = import_av()
    try:
        with opened(path) as container:
            return {name.lower(): text for name, text in container.metadata.items()}
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"{path} is neither a video nor a picture nor a pose file that can be read; give one that plays."
        ) from error


def find_mark_in_frames(path: Path) -> Detection:
    """Look for the invisible mark in a video's first frames, or in a picture. Raises InputError for neither."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return find_invisible_mark([read_picture(path)])
    return find_invisible_mark((frame for _, frame in islice(VideoStream(path), READ_FRAMES)))


def check_markable(path: Path, out: Path) -> None:
    """Raise InputError before any work if ``out`` cannot become the marked copy of ``path``."""
    check_file(path, "file", "a video or a picture")
    suffix = out.suffix.lower()
    if suffix not in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES):
        raise InputError(
            f"{out.name[-60:]} ends in '{out.suffix}', where no marks can be written; it must end in one of "
            f"{', '.join((*VIDEO_SUFFIXES, *PICTURE_SUFFIXES))}."
        )
    check_output(out)


def mark_file(
    path: Path,
    out: Path,
    provenance: Provenance,
    credentials: Credentials | None = None,
    inputs: tuple[Path, ...] = (),
) -> None:
    """Write a copy of a video or picture that says it is generated; streams and pixels are copied, not encoded.

    What the file said before is kept: its XMP, its AIGC label, its source type and its texts stay, its record becomes
    an earlier one of the new. ``out`` must not exist; it appears when it is complete. A picture of another kind than
    PNG, JPEG and WebP becomes a PNG. credentials: sign it, last of all, with a C2PA manifest that keeps the one of the
    file and of ``inputs``, the photos it was made of. Raises InputError for what cannot be read, or not be held by
    ``out``'s kind, and for a file with a manifest that an unsigned mark would break.
    """
    check_markable(path, out)
    is_picture = out.suffix.lower() in PICTURE_SUFFIXES
    content = _content_of(path, out) if is_picture else b""
    before = _marks(pictures.read_xmp(content), {}) if is_picture else read_marks(path)
    is_signed = pictures.has_manifest(content) if is_picture else _has_manifest(path)
    if is_signed and credentials is None:
        raise InputError(
            f"{path} carries signed Content Credentials, which a mark without a signature would break; sign the copy "
            "(`mmgt provenance mark --self-signed`, or --certificate and --key), which keeps them inside."
        )
    provenance = with_earlier(provenance, before)
    with unfinished_file(out) as unfinished:
        if is_picture:
            _mark_picture(unfinished, content, provenance, path)
        else:
            remux(path, unfinished, provenance, before)
        if credentials is not None:
            sign(unfinished, provenance, credentials, path if is_signed else None, inputs)
    logger.info("wrote %s, marked%s", out, "" if credentials is None else " and signed")


def _has_manifest(path: Path) -> bool:
    return _is_mp4(path) and boxes.read_uuid_box(path, C2PA_UUID) is not None


def _is_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[4:8] in (b"ftyp", b"moov", b"wide", b"mdat", b"free")


def with_earlier(provenance: Provenance, before: Marks) -> Provenance:
    """The provenance of a file with these marks: what they say of its source stays, and so does its record."""
    source = before.source_uri.removeprefix(VOCABULARY)
    earlier = (before.record, *provenance.earlier) if before.record else provenance.earlier
    return replace(provenance, source=source if source in SOURCE_TYPES else provenance.source, earlier=earlier)


def remux(path: Path, out: Path, provenance: Provenance, before: Marks) -> None:
    """Copy all streams of a video into a new file, with its texts and the marks."""
    av = import_av()
    is_mp4 = out.suffix.lower() in MP4_SUFFIXES
    packet = xmp.packet(provenance, before.packet or None)
    options = {"movflags": "+faststart+use_metadata_tags"} if is_mp4 else {}
    try:
        with opened(path) as source, av.open(local(out), "w", options=options) as target:
            tags = provenance.tags() if is_mp4 else {**provenance.tags(), XMP_TAG: packet.decode()}
            tags |= {AIGC_TAG: json.dumps(dict(before.aigc), ensure_ascii=False)} if before.aigc else {}
            tags |= {COMMENT_TAG: before.comment} if before.comment else {}
            target.metadata.update({**_kept_texts(source.metadata), **tags})
            copies = {}
            for stream in source.streams:
                if stream.type in ("video", "audio", "subtitle"):
                    check_decodable(stream, str(path), "give a file that plays")
                    copies[stream] = target.add_stream_from_template(stream)
                    copies[stream].metadata.update(stream.metadata)
            for part in source.demux(*copies):
                if part.size:  # the last one is empty
                    part.stream = copies[part.stream]
                    target.mux(part)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES):
            raise
        raise InputError(
            f"{path} cannot be copied into a {out.suffix} without encoding it anew ({error}); give --out the ending of "
            "the file itself, or .mkv."
        ) from error
    if is_mp4:
        boxes.append_xmp(out, packet)


def complete_marks(path: Path, provenance: Provenance, before: Marks = Marks()) -> None:
    """Add XMP to a video that was just written with the other marks, in its place: an MP4's box is appended.

    A Matroska file is copied beside itself and replaced. Another kind of file is left as it is.
    """
    suffix = path.suffix.lower()
    if suffix in MP4_SUFFIXES:
        if boxes.read_xmp(path) is None:
            boxes.append_xmp(path, xmp.packet(provenance, before.packet or None))
    elif suffix in VIDEO_SUFFIXES:
        with tempfile.TemporaryDirectory(prefix=".mmgt-", dir=path.parent) as folder:
            copy = Path(folder, path.name)
            remux(path, copy, provenance, read_marks(path))
            copy.replace(path)


def _kept_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Without what the muxer writes itself, and what would be said twice."""
    own = {"major_brand", "minor_version", "compatible_brands", "encoder", RECORD_TAG, AIGC_TAG.lower(), COMMENT_TAG}
    own |= {XMP_TAG.lower()}
    return {name: text for name, text in texts.items() if name.lower() not in own}


def _content_of(path: Path, out: Path) -> bytes:
    """A picture's bytes, as PNG where its own kind holds no marks. Raises InputError where ``out`` is another kind."""
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise InputError(f"{path} is larger than 1 GiB; give a picture.")
    content = path.read_bytes()
    if not pictures.is_markable(content):
        content = _as_png(path)
    kinds = {".png": pictures.PNG, ".jpg": pictures.JPEG, ".jpeg": pictures.JPEG, ".webp": b"RIFF"}
    if not content.startswith(kinds[out.suffix.lower()]):
        kind = next(suffix for suffix, begin in kinds.items() if content.startswith(begin))
        raise InputError(f"{out.name[-60:]} must end in {kind}: {path.name[-60:]} is copied, not encoded anew.")
    return content


def _mark_picture(out: Path, content: bytes, provenance: Provenance, path: Path) -> None:
    try:
        out.write_bytes(pictures.marked(content, provenance))
    except ValueError as error:
        raise InputError(f"{path} cannot hold a mark ({error}); save it as PNG first.") from error


def _as_png(path: Path) -> bytes:
    import io

    from PIL import Image

    try:
        with Image.open(path) as image:
            buffer = io.BytesIO()
            image.save(buffer, "PNG", icc_profile=image.info.get("icc_profile"))
    except MemoryError:
        raise
    except Exception as error:  # as read_picture
        raise InputError(f"{path} is no picture that can be read ({error}); give png, jpg or webp.") from error
    return buffer.getvalue()
