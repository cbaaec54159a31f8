"""An HTTP server that is no S3: it answers every request alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<html><body>There is nothing here.</body></html>"


class AnsweringServer(ThreadingHTTPServer):
    """Answers with a status and a body, which may be changed.

    requests: the methods and paths so far; received: the headers, in lower case, and bodies.
    """

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.body = body
        self.requests: list[tuple[str, str]] = []
        self.received: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.requests.append((self.command, self.path))
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _answer  # noqa: N815 (the names that http.server calls)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering_server(status: int, body: bytes = PAGE) -> Iterator[AnsweringServer]:
    """Run such a server until the block ends."""
    with AnsweringServer(status, body) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
