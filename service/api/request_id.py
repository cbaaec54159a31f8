"""A request ID on every request and every answer: the client's own where it sent a sound one."""

from __future__ import annotations

import re
from secrets import token_hex

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.telemetry import context

HEADER = "X-Request-ID"
_RAW_HEADER = HEADER.lower().encode()
STATUS = "forecast.status"
"""Where a request's scope tells the status of its answer."""
_SOUND = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Puts the ID into ``request.state.request_id`` and the answer's ``X-Request-ID``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, with_request_id(scope, send))


def with_request_id(scope: Scope, send: Send) -> Send:
    """Give a request its ID; return what sends the answer with it."""
    request_id = _sent_id(scope) or token_hex(16).encode()
    text = request_id.decode()
    scope.setdefault("state", {})["request_id"] = text
    context.request_id.set(text)

    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            scope[STATUS] = message["status"]
            message["headers"] = [*message["headers"], (_RAW_HEADER, request_id)]
        await send(message)

    return send_with_id


def _sent_id(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == _RAW_HEADER:
            return value if _SOUND.fullmatch(value) else None
    return None
