"""Authentication of requests by API key; without keys, the server accepts anybody."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.security.permissions import is_open
from service.errors import Unauthenticated
from service.keys import DEFAULT_TENANT, Grant, Keys

_ANYBODY = Grant(DEFAULT_TENANT, "admin")
_KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})
_NO_STORE = (b"cache-control", b"no-store")
_HOW = "send Authorization: Bearer KEY, or X-API-Key: KEY"


class Authentication:
    """Middleware that sets ``scope["caller"]`` to a `Grant`; requests to open paths have none.

    keys: if empty, every caller is the default tenant and may do everything.
    """

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Raises Unauthenticated."""
        if not is_open(scope["method"], scope["path"]):
            scope["caller"] = self._caller(scope["headers"]) if self._keys else _ANYBODY
            send = _without_store(send)
        await self._app(scope, receive, send)

    def _caller(self, headers: list[tuple[bytes, bytes]]) -> Grant:
        keys = {
            _bearer(value) if name == b"authorization" else value for name, value in headers if name in _KEY_HEADERS
        }
        if not keys:
            raise Unauthenticated(f"this server needs an API key: {_HOW}")
        if len(keys) > 1:
            raise Unauthenticated(f"the request has several different keys; {_HOW}, once", wrong=True)
        key = keys.pop()
        grant = None if key is None else self._keys.find(key)
        if grant is None:
            raise Unauthenticated(f"this server does not know the key; {_HOW}", wrong=True)
        return grant


def _bearer(value: bytes) -> bytes | None:
    """Return the token of an Authorization header (RFC 6750, section 2.1), or None if it has another scheme."""
    scheme, _, token = value.partition(b" ")
    return token.strip(b" ") if scheme.lower() == b"bearer" else None


def _without_store(send: Send) -> Send:
    """Return a ``send`` whose response is not stored by shared caches, as it is for one caller.

    Shared caches skip responses to requests with Authorization (RFC 9111, section 3.5), but do not know X-API-Key.
    """

    async def send_without_store(message: Message) -> None:
        if message["type"] == "http.response.start":
            others = [one for one in message["headers"] if one[0] != _NO_STORE[0]]
            message["headers"] = [*others, _NO_STORE]
        await send(message)

    return send_without_store
