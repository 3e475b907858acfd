"""A film whose display matrix says that it was stored turned or mirrored."""

import struct

ONE, W = 1 << 16, 1 << 30


def turned(path, matrix):
    """An mp4 without matrix as one with (a, b, c, d) of x' = a x + c y, y' = b x + d y; the file beside it."""
    data = path.read_bytes()
    plain = struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, W)
    start = data.index(plain, data.index(b"tkhd"))
    a, b, c, d = (ONE * value for value in matrix)
    stored = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, W)
    path.with_name("turned.mp4").write_bytes(data[:start] + stored + data[start + len(plain) :])
    return path.with_name("turned.mp4")
