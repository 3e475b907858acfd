"""The boxes of MP4 and QuickTime files (ISO/IEC 14496-12): XMP's, read and appended. Nothing else is touched.

XMP lies in a top-level uuid box (XMP specification, part 3). It goes to the end of the file, so that no offset changes
and a video of any size is marked without being read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
MAX_BYTES = 2**24


def top_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Type, offset and size of each top-level box, as far as they are whole: (b"uuid", 1234, 500), ..."""
    end, offset = file.seek(0, 2), 0
    while offset + 8 <= end:
        file.seek(offset)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        elif size == 0:  # to the end of the file
            size = end - offset
        if size < 8 or offset + size > end:
            return
        yield kind, offset, size
        offset += size


def read_uuid_box(path: Path, uuid: bytes) -> bytes | None:
    """What the first top-level box of a uuid holds, up to 16 MiB; None without one."""
    with path.open("rb") as file:
        for kind, offset, size in top_boxes(file):
            if kind == b"uuid" and size >= 24:
                file.seek(offset + 8)
                if file.read(16) == uuid:
                    return file.read(min(size - 24, MAX_BYTES))
    return None


def read_xmp(path: Path) -> bytes | None:
    """The first XMP packet of an MP4, M4V or MOV; None without one."""
    return read_uuid_box(path, XMP_UUID)


def append_xmp(path: Path, packet: bytes) -> None:
    """Append a packet's box to a file that has none, and whose last box says how long it is.

    Only for a file that nobody has by its name yet: what is written half is no box.
    """
    with path.open("r+b") as file:
        last = max(top_boxes(file), key=lambda box: box[1], default=(b"", 0, 0))
        file.seek(last[1])
        if file.read(4) == bytes(4):  # "to the end of the file": its length is written down first
            if last[2] >= 2**32:
                raise OSError(f"the last box of {path.name} is open and too long to be closed")
            file.seek(last[1])
            file.write(last[2].to_bytes(4, "big"))
        file.seek(0, 2)
        file.write((len(packet) + 24).to_bytes(4, "big") + b"uuid" + XMP_UUID + packet)
