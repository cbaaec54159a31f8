"""Who may reach a server without keys: nobody through a web page, or under a name that is not its own.

A page from anywhere may have its visitor's browser send requests to this machine. ``Origin`` and ``Sec-Fetch-Site``
(Fetch Standard; W3C Fetch Metadata) tell of such a page. One whose name is made to lead here (DNS rebinding) looks like
our own to the browser, but its name stands in ``Host``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

ANY_HOST = "*"
"""In the allowed hosts: whatever name."""

# RFC 9112, 3.2: a name or an address, and a port.
_HOST = re.compile(r"(?P<name>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+\])(?P<port>:[0-9]{0,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?P<host>[^/?#@]+)")


class TrustedHosts:
    """The names that a server without keys answers to: this machine's own, and those that are allowed."""

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(allowed)
        # Most clients send the same few, and a strange one may be long.
        self.trusts = lru_cache(maxsize=100)(self._trusts)

    def _trusts(self, host: bytes) -> bool:
        """Tell whether a Host header names this machine, or what is allowed."""
        name = _name_in(host)
        return name is not None and (is_loopback(name) or self._allows(name))

    def trusts_page(self, origin: bytes | None, host: bytes, cross_site: bool) -> bool:
        """Tell whether the web page that sent a request may ask.

        origin: what stands in Origin; None: nothing does, as where no page asks. host: what stands in Host; cross_site:
        whether the browser says that the page is of another site.
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
    """Tell whether a host, an address in brackets where it is IPv6, is this machine whoever resolves it (RFC 6761)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return IPv6Address(name[1:-1]).is_loopback if name.startswith("[") else IPv4Address(name).is_loopback
    except AddressValueError:
        return False


def _name_in(host: bytes) -> str | None:
    """Return the name or address in a Host header, in lower case; None where it is none."""
    found = _HOST.fullmatch(host.decode("latin-1").lower())
    return None if found is None else found["name"].removesuffix(".")
