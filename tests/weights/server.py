"""A web server of one file on this machine, which can fail in the ways that real ones do."""

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server does, and what it was asked.

    etag: "sha256", or what is sent. linked: answer as Hugging Face does, with the checksum and a redirect to another
    address. cuts: how many bytes each answer sends before the connection breaks. statuses: error answers before the
    first good one. has_ranges: whether a part can be asked for. seconds: between two halves of an answer.
    """

    content: bytes
    etag: str | None = "sha256"
    announced: int | None = None
    linked: bool = False
    cuts: list = field(default_factory=list)
    statuses: list = field(default_factory=list)
    has_ranges: bool = True
    has_length: bool = True
    seconds: float = 0.0
    requests: list = field(default_factory=list)
    heads: list = field(default_factory=list)
    url: str = ""

    @property
    def ranges(self):
        return [headers.get("Range") for path, headers in self.requests if "/cdn/" in path or not self.linked]


def handler_of(site):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(site.heads)

        def do_GET(self):
            self.answer(site.requests)

        def answer(self, asked):
            if self.path.startswith("/api/"):  # what huggingface_hub asks for its own sake, at its own times
                self.send_error(404)
                return
            asked.append((self.path, self.headers))
            etag = hashlib.sha256(site.content).hexdigest() if site.etag == "sha256" else site.etag
            if site.statuses:
                self.send_error(site.statuses.pop(0))
            elif site.linked and "/cdn/" not in self.path:
                self.send_response(302)
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("X-Linked-Etag", f'"{etag}"')
                self.send_header("X-Linked-Size", str(site.announced or len(site.content)))
                self.send_header("Location", f"{site.url.replace('127.0.0.1', 'localhost')}/cdn/{len(site.requests)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.send_content(etag)

        def send_content(self, etag):
            size = len(site.content)
            asked = self.headers.get("Range") if site.has_ranges else None
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            body = site.content[start:]
            self.send_response((206 if body else 416) if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}" if body else f"bytes */{size}")
            self.send_header("X-Repo-Commit", "0" * 40)
            if etag and not site.linked:
                self.send_header("ETag", f'"{etag}"')
            if site.has_length:
                announced = size if site.linked or site.announced is None else site.announced
                self.send_header("Content-Length", str(max(announced - start, 0)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if self.command == "HEAD":
                return
            body = body[: site.cuts.pop(0)] if site.cuts else body
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            threading.Event().wait(site.seconds)
            self.wfile.write(body[len(body) // 2 :])

        def log_message(self, *_):
            pass

    return Handler


@contextmanager
def running(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(site))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running_proxy(seen):
    """A proxy for http: notes every address it is asked for, and fetches it."""
    import urllib.request

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(self.path) as answer:
                body = answer.read()
                self.send_response(200)
                self.send_header("ETag", answer.headers["ETag"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
