"""Contents that are nearly right: bytes changed, and structures of JSON changed."""

import json
import random
from typing import Any

VALUES = (
    None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -1e308, 5e-324,
    float("nan"), float("inf"), "", "0", "../../etc/passwd", "C:\\con", "nul.txt", "a\0b", "\ud800",
    "ä" * 300, "1" * 5000,
    [], {}, [[]], [{}], [None], {"": None}, [[[[[[]]]]]],
)  # fmt: skip
NUMBERS = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\0" * 8,
)


def changed(content: bytes, draws: random.Random, is_json: bool, most_bytes: int = 65536) -> bytes:
    """The content with one to four changes."""
    for _ in range(draws.randint(1, 4)):
        if is_json and draws.random() < 0.8:
            content = _changed_structure(content, draws)
        else:
            content = _changed_bytes(content, draws)
    return content[:most_bytes]


def _changed_bytes(content: bytes, draws: random.Random) -> bytes:
    at = draws.randint(0, len(content))
    end = min(len(content), at + draws.choice((1, 2, 4, 8, 64, 1024)))
    way = draws.randrange(6)
    if way == 0:
        return content[:at] + bytes(draws.randrange(256) for _ in range(end - at)) + content[end:]
    if way == 1:
        return content[:at] + draws.choice(NUMBERS) + content[end:]
    if way == 2:
        return content[:at] + content[end:]
    if way == 3:
        return content[:at] + content[at:end] * 2 + content[end:]
    if way == 4:
        return content[:at]
    return (
        content[:at]
        + bytes([(content[at] if at < len(content) else 0) ^ (1 << draws.randrange(8))])
        + content[at + 1 :]
    )


def _changed_structure(content: bytes, draws: random.Random) -> bytes:
    """One line of JSON lines, one place of it."""
    lines = content.split(b"\n")
    index = draws.randrange(len(lines))
    try:
        root = [json.loads(lines[index])]
    except (ValueError, RecursionError):
        return _changed_bytes(content, draws)
    holder, key = root, 0
    while isinstance(holder[key], (dict, list)) and holder[key] and draws.random() < 0.8:
        holder = holder[key]
        key = draws.choice(list(holder)) if isinstance(holder, dict) else draws.randrange(len(holder))
    _change(holder, key, draws)
    try:
        lines[index] = json.dumps(root[0] if root else None).encode()
    except (ValueError, RecursionError):
        return content
    return b"\n".join(lines)


def _change(holder: Any, key: Any, draws: random.Random) -> None:
    way = draws.randrange(5)
    if way == 0 and isinstance(holder, dict):
        holder[draws.choice((*holder, "settings", "seed", "people", "version"))] = draws.choice(VALUES)
    elif way == 1 and isinstance(holder, dict):
        del holder[key]
    elif way == 1:
        holder.insert(key, holder[key])
    elif way == 2 and isinstance(holder, list) and len(holder) > 1:
        del holder[key]
    elif way == 3 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
        number = holder[key] if abs(holder[key]) < 1e300 else 0
        holder[key] = draws.choice((-number, number * 1e6, number + 0.5, str(number)))
    else:
        holder[key] = draws.choice(VALUES)
