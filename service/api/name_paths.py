"""Names in paths: they may contain any character, also ``/``, so they stay percent-encoded until a route reads them."""

from __future__ import annotations

from urllib.parse import quote, unquote, unquote_to_bytes

from starlette.types import Scope

from service.errors import InvalidOption

_PREFIX = "/names/"


def keep_names_encoded(scope: Scope) -> None:
    """Encode each segment of a path under /names, as the server has decoded it.

    Otherwise the name ``a/promote`` could not be told from the route ``promote`` of the name ``a``, by the router, the
    permissions or the metrics. Each segment has one form afterwards, whatever a client has encoded.
    """
    if scope["path"].startswith(_PREFIX):
        segments: list[bytes] = scope["raw_path"].split(b"/")
        scope["path"] = "/".join(quote(unquote_to_bytes(one), safe="") for one in segments)


def encoded_name(name: str) -> str:
    """Return the segment of a path for a name. Clients take ``.`` and ``..`` for folders, so they are encoded, too."""
    return name.replace(".", "%2E") if name in (".", "..") else quote(name, safe="")


def decoded_name(segment: str) -> str:
    """Return the name in a segment of such a path. Raises InvalidOption if it is not in UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise InvalidOption.at(("name",), "the name in the path is not percent-encoded UTF-8") from None
