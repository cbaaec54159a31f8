"""The one layer in front of everything: who asks, and whether that may be asked. What nobody allowed is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Message, Scope, Send

from service.api.security.permissions import PROBES, is_open, needed_role
from service.api.security.trusted_hosts import TrustedHosts
from service.errors import ForeignHost, ForeignOrigin, NotPermitted, ServiceError, Unauthenticated
from service.keys import DEFAULT_TENANT, Grant, Keys

logger = logging.getLogger(__name__)

_ANYBODY = Grant(DEFAULT_TENANT, "admin")
_OF_KEYS = frozenset({b"authorization", b"x-api-key"})
_OF_SOURCES = frozenset({b"host", b"origin", b"sec-fetch-site"})
_NO_STORE = (b"cache-control", b"no-store")
_HOW = "send Authorization: Bearer KEY, or X-API-Key: KEY"

_Headers = list[tuple[bytes, bytes]]


class Access:
    """Decides on every request, by its scope alone.

    keys: where there are none, everybody may do everything as the default tenant, if the request comes from this
    machine or under an allowed name, and not from a foreign web page.
    """

    def __init__(self, keys: Keys, hosts: TrustedHosts) -> None:
        self._keys = keys
        self._hosts = hosts

    def admit(self, scope: Scope, routes: list[BaseRoute]) -> None:
        """Let a request through, with its caller in the scope; it costs a few microseconds.

        routes: those of the application. Raises Unauthenticated, NotPermitted, ForeignHost, ForeignOrigin.
        """
        method, path = scope["method"], scope["path"]
        needed = needed_role(method, path)
        free = needed is None and is_open(method, path)
        if free and (self._keys or path in PROBES):
            return
        if self._keys:
            caller = self._caller([one for one in scope["headers"] if one[0] in _OF_KEYS])
        else:
            caller = _ANYBODY
            # Anybody may link to /docs.
            self._check_source([one for one in scope["headers"] if one[0] in _OF_SOURCES], of_page=not free)
        if free:
            return
        if needed is None:
            _refuse_forgotten(scope, routes)
        elif not caller.allows(needed):
            raise NotPermitted(
                f"the key has the role {caller.role}, and this needs {needed}: use a key of the role {needed}"
            )
        scope["caller"] = caller

    def _caller(self, sent: _Headers) -> Grant:
        keys = {_bearer(value) if name == b"authorization" else value for name, value in sent}
        if not keys:
            raise Unauthenticated(f"this server needs an API key: {_HOW}")
        if len(keys) > 1:
            raise Unauthenticated(f"the request has several keys that differ; {_HOW}, once", wrong=True)
        key = keys.pop()
        grant = None if key is None else self._keys.find(key)
        if grant is None:
            raise Unauthenticated(f"this is no key of this server; {_HOW}", wrong=True)
        return grant

    def _check_source(self, sent: _Headers, of_page: bool) -> None:
        hosts = [value for name, value in sent if name == b"host"]
        if len(hosts) != 1 or not self._hosts.trusts(hosts[0]):
            raise ForeignHost(
                "this server has no API keys and answers under names of its own machine only: ask it as localhost, "
                "name the host in FORECAST_ALLOWED_HOSTS, or give the server keys (FORECAST_API_KEYS)"
            )
        if len(sent) > 1 and of_page:
            self._check_page(sent, hosts[0])

    def _check_page(self, sent: _Headers, host: bytes) -> None:
        cross_site = (b"sec-fetch-site", b"cross-site") in sent
        origins: Sequence[bytes | None] = [value for name, value in sent if name == b"origin"] or [None]
        if not all(self._hosts.trusts_page(origin, host, cross_site) for origin in origins):
            raise ForeignOrigin(
                "a web page of another origin asks, and this server has no API keys: name its host in "
                "FORECAST_ALLOWED_HOSTS, or give the server keys (FORECAST_API_KEYS)"
            )


def _bearer(value: bytes) -> bytes | None:
    """Return the token of an Authorization header (RFC 6750, 2.1); None where it is of another scheme."""
    scheme, _, token = value.partition(b" ")
    return token.strip(b" ") if scheme.lower() == b"bearer" else None


def _refuse_forgotten(scope: Scope, routes: list[BaseRoute]) -> None:
    """Raise NotPermitted for a route that is in no table; what is not there at all is the router's to tell."""
    found = next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
    if found is not None:
        # Not the path: a client may have put anything there.
        logger.error("%s %s is in no table of permissions and is refused", scope["method"], getattr(found, "path", "?"))
        raise NotPermitted("nobody may ask for this: the server has no rule for it")


def challenge(error: ServiceError) -> dict[str, str]:
    """Return the header that goes with a refusal (RFC 6750, 3)."""
    if not isinstance(error, Unauthenticated):
        return {}
    wrong = ', error="invalid_token"' if error.wrong else ""
    return {"WWW-Authenticate": f'Bearer realm="forecast"{wrong}'}


def unshared(send: Send) -> Send:
    """Return what sends an answer so that no cache on the way keeps it: it is for one caller.

    Shared caches know that by themselves where a request has Authorization (RFC 9111, 3.5), but not of X-API-Key.
    """

    async def send_unshared(message: Message) -> None:
        if message["type"] == "http.response.start":
            others = [one for one in message["headers"] if one[0] != _NO_STORE[0]]
            message["headers"] = [*others, _NO_STORE]
        await send(message)

    return send_unshared
