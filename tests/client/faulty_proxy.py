"""A proxy in front of a real server that fails where it is told to."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import httpx

Fault = Literal["busy", "limited", "bad-gateway", "cut", "cut-after", "cut-in-stream", "cut-late", "html"]
# When a stream is cut late, in seconds.
_LATE = 0.5
_STATUS = {"busy": 503, "limited": 429, "bad-gateway": 502, "html": 200}


@dataclass(frozen=True)
class Seen:
    """A request that came: its method, path and headers, and what was done about it."""

    method: str
    path: str
    headers: dict[str, str]
    fault: Fault | None


class FaultyProxy:
    """Forwards requests; ``faults`` are used up one a request whose path starts with ``of``."""

    def __init__(self, target: str) -> None:
        self._target = httpx.Client(base_url=target, timeout=120)
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.faults: list[Fault] = []
        self.of = ""
        self.retry_after: str | None = None
        self.seen: list[Seen] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def fail(self, *faults: Fault, of: str = "") -> None:
        """Answer the next requests so, those that start with ``of``."""
        self.faults, self.of = list(faults), of

    def start(self) -> None:
        """Listen, on the same port as before."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.handle(self)

            do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815 (the names that http.server looks for)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more: whoever comes is refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Forward one request, or fail."""
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        asked = f"{request.command} {request.path}"
        fault = self.faults.pop(0) if self.faults and asked.startswith(self.of) else None
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.command, request.path, headers, fault))
        request.close_connection = True
        if fault == "cut":
            return
        if fault in _STATUS:
            request.send_response(_STATUS[fault])
            if self.retry_after is not None:
                request.send_header("Retry-After", self.retry_after)
            request.send_header("Content-Length", "6")
            # Or a client that has not noticed the end of the connection sends its next request on it.
            request.send_header("Connection", "close")
            request.end_headers()
            request.wfile.write(b"<html>")
            return
        self._forward(request, body, headers, fault)

    def _forward(
        self, request: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str], fault: Fault | None
    ) -> None:
        passed = {name: value for name, value in headers.items() if name not in ("host", "connection")}
        begun = time.monotonic()
        with self._target.stream(request.command, request.path, content=body, headers=passed) as answer:
            if fault == "cut-after":
                answer.read()
                return
            request.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name not in ("transfer-encoding", "connection"):
                    request.send_header(name, value)
            request.send_header("Connection", "close")
            request.end_headers()
            for chunk in answer.iter_raw():
                request.wfile.write(chunk)
                request.wfile.flush()
                is_late = time.monotonic() - begun > _LATE
                if b"data: " in chunk and (fault == "cut-in-stream" or (fault == "cut-late" and is_late)):
                    return
