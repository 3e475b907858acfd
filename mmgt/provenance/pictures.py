"""Marks in PNG, JPEG and WebP files, put between their parts: pixels are not decoded, so they stay as they are."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator

from .record import AIGC_TAG, Provenance
from .xmp import packet

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"  # keyword, not compressed, no language, no translated keyword
_PNG_AIGC = AIGC_TAG.encode() + b"\0"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MAX_SEGMENT = 65533


def is_markable(content: bytes) -> bool:
    """Whether it begins as a PNG, JPEG or WebP file does."""
    return content.startswith((PNG, JPEG)) or _is_webp(content)


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def read_xmp(content: bytes) -> bytes | None:
    """The XMP packet of a picture file; None without one."""
    if content.startswith(PNG):
        found = (data[len(_PNG_XMP) :] for kind, data in _chunks(content) if kind == b"iTXt" and data[:22] == _PNG_XMP)
    elif content.startswith(JPEG):
        found = (data[len(_JPEG_XMP) :] for data in _app1(content) if data.startswith(_JPEG_XMP))
    elif _is_webp(content):
        found = (data for kind, data in _riff(content) if kind == b"XMP ")
    else:
        return None
    return next(found, None)


def has_manifest(content: bytes) -> bool:
    """Whether a picture file carries Content Credentials (C2PA), which any change of it breaks."""
    if content.startswith(PNG):
        return any(kind == b"caBX" for kind, _ in _chunks(content))
    if content.startswith(JPEG):
        return any(
            marker == 0xEB and content[offset + 4 : offset + 6] == b"JP" for marker, offset, _ in _segments(content)
        )
    return _is_webp(content) and any(kind == b"C2PA" for kind, _ in _riff(content))


def marked(content: bytes, provenance: Provenance) -> bytes:
    """A PNG, JPEG or WebP file with XMP (what was there is kept in it), and in PNG the AIGC text too.

    Raises ValueError for what cannot hold it.
    """
    there = read_xmp(content)
    xmp = packet(provenance, there)
    if content.startswith(PNG):
        chunks = [(kind, data) for kind, data in _chunks(content) if not (kind == b"iTXt" and data[:22] == _PNG_XMP)]
        new = [(b"iTXt", _PNG_XMP + xmp)]
        if not any(kind == b"tEXt" and data.startswith(_PNG_AIGC) for kind, data in chunks):
            new.append((b"tEXt", _PNG_AIGC + json.dumps(provenance.aigc()).encode("ascii")))
        return PNG + b"".join(_chunk(*part) for part in (*chunks[:1], *new, *chunks[1:]))
    if content.startswith(JPEG):
        return _marked_jpeg(content, xmp)
    return _marked_webp(content, xmp)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = len(PNG)
    while offset + 12 <= len(content):
        size = int.from_bytes(content[offset : offset + 4], "big")
        yield content[offset + 4 : offset + 8], content[offset + 8 : offset + 8 + size]
        offset += size + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, offset and end of the segments before a JPEG's pixels."""
    offset = 2
    while offset + 4 <= len(content) and content[offset] == 0xFF and content[offset + 1] != 0xDA:
        end = offset + 2 + int.from_bytes(content[offset + 2 : offset + 4], "big")
        yield content[offset + 1], offset, end
        offset = end


def _app1(content: bytes) -> Iterator[bytes]:
    return (content[offset + 4 : end] for marker, offset, end in _segments(content) if marker == 0xE1)


def _marked_jpeg(content: bytes, xmp: bytes) -> bytes:
    segment = _JPEG_XMP + xmp
    if len(segment) > _MAX_SEGMENT:
        raise ValueError(f"its XMP would take {len(segment)} bytes; a JPEG holds {_MAX_SEGMENT}")
    kept, at = [], 2  # JFIF and Exif stay in front
    for marker, offset, end in _segments(content):
        data = content[offset + 4 : end]
        is_xmp = marker == 0xE1 and data.startswith(_JPEG_XMP)
        kept += [] if is_xmp else [content[offset:end]]
        at = end
    first = [part for part in kept if part[1] == 0xE0 or part[4:10] == b"Exif\0\0"]
    others = [part for part in kept if part not in first]
    new = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    return JPEG + b"".join((*first, new, *others)) + content[at:]


def _riff(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 12
    while offset + 8 <= len(content):
        size = int.from_bytes(content[offset + 4 : offset + 8], "little")
        yield content[offset : offset + 4], content[offset + 8 : offset + 8 + size]
        offset += 8 + size + size % 2


def _marked_webp(content: bytes, xmp: bytes) -> bytes:
    """XMP needs the extended form, whose first chunk is VP8X with the canvas and a flag for each kind of chunk."""
    chunks = [(kind, data) for kind, data in _riff(content) if kind != b"XMP "]
    if not chunks or chunks[0][0] != b"VP8X":
        width, height, has_alpha = _webp_canvas(chunks)
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks.insert(0, (b"VP8X", bytes((0x10 * has_alpha, 0, 0, 0)) + size))
    head = chunks[0][1]
    chunks[0] = (b"VP8X", bytes((head[0] | 0x04,)) + head[1:])
    body = b"WEBP" + b"".join(
        kind + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2) for kind, data in (*chunks, (b"XMP ", xmp))
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _webp_canvas(chunks: list[tuple[bytes, bytes]]) -> tuple[int, int, bool]:
    kind, data = chunks[0] if chunks else (b"", b"")
    if kind == b"VP8L" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if kind == b"VP8 " and len(data) >= 10:
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF, False
    raise ValueError("it begins as a WebP, but holds no picture")
