"""The HTTP server: uvicorn, on sockets bound before anything else starts, and quick to stop."""

from __future__ import annotations

import logging
import socket
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

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
    """Serves one application; told to stop, it has requests that wait for a training answered at once."""

    def __init__(self, app: FastAPI, log_level: str) -> None:
        # A line for each request would cost as much as a forecast.
        config = uvicorn.Config(
            app, log_level=log_level, access_log=log_level == "debug", timeout_graceful_shutdown=_STOP_SECONDS
        )
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell where it listens: uvicorn does not for sockets it was given."""
        await super().startup(sockets)
        for one in sockets or ():
            host, port = one.getsockname()[:2]
            logger.info("Listening on http://%s:%d (press CTRL+C to quit)", f"[{host}]" if ":" in host else host, port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to stop; `app.state.stopping` ends the waiting."""
        self._app.state.stopping = True
        super().handle_exit(sig, frame)
