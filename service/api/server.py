"""The HTTP server: uvicorn, on sockets bound before anything else starts, with a fast shutdown."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from contextlib import ExitStack
from http import HTTPStatus
from types import FrameType

import orjson
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.output.problems import MEDIA_TYPE, problem, status_of
from service.errors import HeadTooLarge, RequestTooSlow, ServiceError

logger = logging.getLogger("uvicorn.error")


HEAD_BYTES = 64 * 1024
"""Maximum size of the request line and all headers in bytes; larger ones are answered 431."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. A request that is not complete in time is answered 408, a head that is too large 431.

    head_seconds: from the connection, or from the first byte of a further request, to the end of its head;
    body_seconds: for a body, plus the time that its received bytes take at ``bytes_per_second``.
    """

    head_seconds = 30.0
    body_seconds = 30.0
    bytes_per_second = 10_000

    _awaits: str | None = "head"
    _since = 0.0
    _received = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first head."""
        super().connection_made(transport)
        self._await("head")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._await(None)
        self._watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received data."""
        super().data_received(data)
        self._received += len(data)
        if self._awaits == "head" and self._received > HEAD_BYTES:
            self._refuse(
                HeadTooLarge(
                    f"this server accepts a request line and headers of up to {HEAD_BYTES} bytes: send shorter ones"
                )
            )
        self._watch()

    def on_message_begin(self) -> None:
        """Start waiting for the head of a further request; the first head is awaited already."""
        super().on_message_begin()
        if self._awaits != "head":
            self._await("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Process a header; those after a body have no meaning here and would be stored without limit."""
        if self._awaits == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start waiting for the body."""
        self._await("body")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: uvicorn closes idle connections itself."""
        self._await(None)
        super().on_message_complete()

    def _await(self, part: str | None) -> None:
        self._awaits, self._since, self._received = part, self.loop.time(), 0

    def _watch(self) -> None:
        """Run a timer only while something is awaited: a request that arrives in one piece needs none."""
        if self._awaits is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif self._awaits is not None and self._timer is None:
            self._timer = self.loop.call_later(self._allowed, self._check_time)

    @property
    def _allowed(self) -> float:
        """Total seconds allowed for what is awaited."""
        if self._awaits == "head":
            return self.head_seconds
        return self.body_seconds + self._received / self.bytes_per_second

    def _check_time(self) -> None:
        self._timer = None
        if self.flow.read_paused:
            # The server itself has paused reading; the client is not slow.
            self._since = self.loop.time()
        left = self._since + self._allowed - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._check_time)
        elif self._awaits == "head" and not self._received:
            self.transport.close()
        else:
            self._refuse(RequestTooSlow(f"the {self._awaits} of the request was not received in time: send it faster"))

    def _refuse(self, error: ServiceError) -> None:
        """Send the error unless a response has begun, then close; the handler of the request sees a disconnect."""
        if not self.transport.is_closing() and not self._is_answered:
            self.transport.write(_answer(error))
        self._await(None)
        self.transport.close()

    @property
    def _is_answered(self) -> bool:
        """Whether a response to the awaited part has begun; before a head, the previous response may be incomplete."""
        if self.cycle is None:
            return False
        return not self.cycle.response_complete if self._awaits == "head" else self.cycle.response_started


def _answer(error: ServiceError) -> bytes:
    body = orjson.dumps(problem(error, None))
    status = HTTPStatus(status_of(error))
    head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}"
    return f"{head}\r\nconnection: close\r\n\r\n".encode() + body


_STOP_SECONDS = 5


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind the port of each address of the host; uvicorn listens once the service is ready to answer.

    Raises OSError with the reason if that fails.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as opened:
        sockets = []
        for family, _, _, _, address in dict.fromkeys(found):
            sockets.append(one := opened.enter_context(socket.socket(family)))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # IPv4 has a socket of its own on the same port.
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
        opened.pop_all()
    return sockets


class Server(uvicorn.Server):
    """Serves one application; when stopped, it answers requests that wait for a training at once.

    drain_seconds: how long it then keeps serving, as not ready, before it accepts no more connections.
    """

    def __init__(self, app: FastAPI, log_level: str, drain_seconds: float = 0.0) -> None:
        # uvicorn's access log contains queries, in which a client may have put anything.
        config = uvicorn.Config(
            app,
            http=GuardedProtocol,
            log_config=None,
            log_level=log_level,
            access_log=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None

    def accepted(self) -> int:
        """Return the number of requests that were read and are not answered yet."""
        return len(self.server_state.tasks)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and log the addresses: uvicorn does not for sockets passed to it."""
        await super().startup(sockets)
        for one in sockets or ():
            host, port = one.getsockname()[:2]
            logger.info("Listening on http://%s:%d (press CTRL+C to quit)", f"[{host}]" if ":" in host else host, port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a stop signal; `app.state.stopping` ends the waiting. Ctrl-C and a second signal end the draining."""
        first, self._app.state.stopping = not self._app.state.stopping, True
        if first and sig == signal.SIGTERM and self._drain_seconds:
            self._drained_at = time.monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; called ten times a second."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)
