"""What a page hears from a ComfyUI server while a prompt runs: as much of WebSocket (RFC 6455) as reading takes."""

import json
import socket
import struct
from urllib.parse import urlsplit

CLIENT = "a-page-of-the-tests"
LISTEN_SECONDS = 300
TEXT, BINARY = 1, 2  # opcodes
PREVIEW, PROGRESS_TEXT, PREVIEW_WITH_METADATA = 1, 3, 4  # ComfyUI's binary events


def heard_while(server, prompt: dict) -> tuple[dict[str, str], int]:
    """Run a prompt; what each node said in words, by its id, and how many live pictures came."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), LISTEN_SECONDS) as line:
        asked = [
            f"GET /ws?clientId={CLIENT} HTTP/1.1", f"Host: {place.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "",
        ]  # fmt: skip
        line.sendall("\r\n".join(asked).encode())
        stream = line.makefile("rb")
        while stream.readline().strip():
            pass
        prompt_id = server.queue(prompt, CLIENT)
        said, num_pictures = {}, 0
        while True:
            opcode, content = _message(stream)
            if opcode == BINARY:
                (event,) = struct.unpack_from(">I", content)
                num_pictures += event in (PREVIEW, PREVIEW_WITH_METADATA)
                if event == PROGRESS_TEXT:
                    (length,) = struct.unpack_from(">I", content, 4)
                    said[content[8 : 8 + length].decode()] = content[8 + length :].decode()
            elif opcode == TEXT:
                told = json.loads(content)
                data = told["data"]
                if told["type"] == "execution_error":
                    raise RuntimeError(data["exception_message"])
                if told["type"] == "executing" and data["node"] is None and data.get("prompt_id") == prompt_id:
                    return said, num_pictures


def _message(stream) -> tuple[int, bytes]:
    opcode, content, is_last = 0, b"", False
    while not is_last:
        head, length = stream.read(2)
        is_last, opcode = bool(head & 0x80), head & 0x0F or opcode
        if length in (126, 127):
            (length,) = struct.unpack(">H" if length == 126 else ">Q", stream.read(2 if length == 126 else 8))
        content += stream.read(length)
    return opcode, content
