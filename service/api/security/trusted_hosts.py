"""Protect a server without keys from foreign web pages and from requests under a name that is not its own.

A web page from anywhere may make its visitor's browser send requests to this machine. ``Origin`` and ``Sec-Fetch-Site``
(Fetch Standard; W3C Fetch Metadata) reveal such a page. A page whose name resolves to this machine (DNS rebinding) has
the same origin for the browser, but its name is in ``Host``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.security.permissions import PROBES, is_open
from service.errors import ForeignHost, ForeignOrigin

ANY_HOST = "*"
"""In the allowed hosts: any name."""

# RFC 9112, section 3.2: a name or an address, and a port.
_HOST = re.compile(r"(?P<name>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+\])(?P<port>:[0-9]{0,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?P<host>[^/?#@]+)")


_SOURCE_HEADERS = frozenset({b"host", b"origin", b"sec-fetch-site"})


class TrustedHosts:
    """Middleware of a server without keys: refuses requests under foreign host names and from foreign web pages.

    allowed: host names that the server accepts in addition to those of this machine.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        # Most clients send the same few names, and an unknown name may be long.
        self._trusts = lru_cache(maxsize=100)(self._is_trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Raises ForeignHost, ForeignOrigin."""
        is_free = is_open(scope["method"], scope["path"])
        if not (is_free and scope["path"] in PROBES):
            # Any page may link to /docs.
            self._check([one for one in scope["headers"] if one[0] in _SOURCE_HEADERS], page=not is_free)
        await self._app(scope, receive, send)

    def _check(self, sent: list[tuple[bytes, bytes]], page: bool) -> None:
        hosts = [value for name, value in sent if name == b"host"]
        if len(hosts) != 1 or not self._trusts(hosts[0]):
            raise ForeignHost(
                "this server has no API keys and answers only to the names of its own machine: use localhost, add the "
                "host to FORECAST_ALLOWED_HOSTS, or give the server keys (FORECAST_API_KEYS)"
            )
        if len(sent) == 1 or not page:
            return
        cross_site = (b"sec-fetch-site", b"cross-site") in sent
        origins: Sequence[bytes | None] = [value for name, value in sent if name == b"origin"] or [None]
        if not all(self._trusts_page(origin, hosts[0], cross_site) for origin in origins):
            raise ForeignOrigin(
                "the request comes from a web page of another origin, and this server has no API keys: add the page's "
                "host to FORECAST_ALLOWED_HOSTS, or give the server keys (FORECAST_API_KEYS)"
            )

    def _is_trusted(self, host: bytes) -> bool:
        """Return whether a Host header names this machine or an allowed host."""
        name = _name_in(host)
        return name is not None and (is_loopback(name) or self._allows(name))

    def _trusts_page(self, origin: bytes | None, host: bytes, cross_site: bool) -> bool:
        """Return whether the web page that sent a request may use this server.

        origin: value of Origin; None if absent, as in requests that no page sends. host: value of Host; cross_site:
        whether the browser reports that the page is of another site.
        """
        if origin is None:
            return not cross_site
        found = _ORIGIN.fullmatch(origin.decode("latin-1").lower())
        page = b"" if found is None else found["host"].encode("latin-1")  # "null" names no host
        name = _name_in(page)
        return name is not None and (self._allows(name) or (page == host.lower() and not cross_site))

    def _allows(self, name: str) -> bool:
        return name in self._allowed or ANY_HOST in self._allowed


def is_loopback(name: str) -> bool:
    """Return whether a host (IPv6 addresses in brackets) is this machine for every resolver (RFC 6761)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return IPv6Address(name[1:-1]).is_loopback if name.startswith("[") else IPv4Address(name).is_loopback
    except AddressValueError:
        return False


def _name_in(host: bytes) -> str | None:
    """Return the name or address in a Host header in lower case, or None if it has none."""
    found = _HOST.fullmatch(host.decode("latin-1").lower())
    return None if found is None else found["name"].removesuffix(".")
