"""HTTP connections that hold nothing for ever: uvicorn bounds neither how long a request may take to come nor its head.

What is refused here never becomes a request, so it has no ID and no line in the log; the answer is a problem all the
same. The rule for bodies is that of Apache's mod_reqtimeout: some seconds, and more the more has come.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.problems import MEDIA_TYPE, problem, status_of
from service.errors import HeadTooLarge, RequestTooSlow, ServiceError

HEAD_BYTES = 64 * 1024
"""Most bytes of a request line with all headers; beyond it 431."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. A request that is not whole in time is answered 408, a head that does not end 431.

    head_seconds: from the connection, or from the first byte of a further request, to the end of its head;
    body_seconds: for a body, and as much again as ``bytes_per_second`` makes of what has come of it.
    """

    head_seconds = 30.0
    body_seconds = 30.0
    bytes_per_second = 10_000

    _awaits: str | None = "head"
    _since = 0.0
    _received = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._await("head")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._await(None)
        self._watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._received += len(data)
        if self._awaits == "head" and self._received > HEAD_BYTES:
            self._refuse(HeadTooLarge(f"this server takes a request line and headers of up to {HEAD_BYTES} bytes"))
        self._watch()

    def on_message_begin(self) -> None:
        """Wait for the head of a further request; that of the first is waited for already."""
        super().on_message_begin()
        if self._awaits != "head":
            self._await("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those after a body have no meaning here and would be kept without bound."""
        if self._awaits == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Wait for the body."""
        self._await("body")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing: what lies between requests is uvicorn's own to end."""
        self._await(None)
        super().on_message_complete()

    def _await(self, part: str | None) -> None:
        self._awaits, self._since, self._received = part, self.loop.time(), 0

    def _watch(self) -> None:
        """Have a timer exactly while something is awaited: a request that comes in one piece needs none."""
        if self._awaits is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif self._awaits is not None and self._timer is None:
            self._timer = self.loop.call_later(self._allowed, self._look)

    @property
    def _allowed(self) -> float:
        """Seconds that what is awaited may take altogether."""
        if self._awaits == "head":
            return self.head_seconds
        return self.body_seconds + self._received / self.bytes_per_second

    def _look(self) -> None:
        self._timer = None
        if self.flow.read_paused:
            # It is us who do not read.
            self._since = self.loop.time()
        left = self._since + self._allowed - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
        elif self._awaits == "head" and not self._received:
            self.transport.close()
        else:
            self._refuse(RequestTooSlow(f"the {self._awaits} of the request did not come in time: send it faster"))

    def _refuse(self, error: ServiceError) -> None:
        """Answer, where nobody has begun to, and close; whoever works on the request finds the client gone."""
        if not self.transport.is_closing() and not self._is_answered:
            self.transport.write(_answer(error))
        self._await(None)
        self.transport.close()

    @property
    def _is_answered(self) -> bool:
        """Whether an answer to what is awaited has begun; a head has none, but one before it may not be through."""
        if self.cycle is None:
            return False
        return not self.cycle.response_complete if self._awaits == "head" else self.cycle.response_started


def _answer(error: ServiceError) -> bytes:
    body = orjson.dumps(problem(error, None))
    status = HTTPStatus(status_of(error))
    head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}"
    return f"{head}\r\nconnection: close\r\n\r\n".encode() + body
