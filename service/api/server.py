"""The HTTP server: uvicorn, on sockets bound before anything else starts, and quick to stop."""

from __future__ import annotations

import logging
import signal
import socket
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.api.guarded_protocol import GuardedProtocol

_STOP_SECONDS = 5

logger = logging.getLogger("uvicorn.error")


def bind(host: str, port: int) -> list[socket.socket]:
    """Take the port on each address that the host stands for. Raises OSError with the reason where that fails."""
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            sockets.append(_bound(family, address))
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _bound(family: int, address: Any) -> socket.socket:
    one = socket.socket(family)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The same port is bound for IPv4 by a socket of its own.
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


class Server(uvicorn.Server):
    """Serves one application; told to stop, it has requests that wait for a training answered at once.

    drain_seconds: how long it then serves on, as one that is not ready, before it takes no more connections.
    """

    def __init__(self, app: FastAPI, log_level: str, drain_seconds: float = 0.0) -> None:
        # Its own lines for requests have their queries, in which a client may have put anything.
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
        """Return how many requests were read and are not answered yet."""
        return len(self.server_state.tasks)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell where it listens: uvicorn does not for sockets it was given."""
        await super().startup(sockets)
        for one in sockets or ():
            host, port = one.getsockname()[:2]
            logger.info("Listening on http://%s:%d (press CTRL+C to quit)", f"[{host}]" if ":" in host else host, port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to stop; `app.state.stopping` ends the waiting. Ctrl-C and a second signal end the draining."""
        first, self._app.state.stopping = not self._app.state.stopping, True
        if first and sig == signal.SIGTERM and self._drain_seconds:
            self._drained_at = time.monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether to stop."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)
