"""The webhooks of tenants, from the operator's file."""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from service.keys import check_tenant

_PREFIX = "whsec_"
_LARGEST_FILE = 2**20
_LARGEST_PORT = 65_535
_LEAST_SECRET, _LARGEST_SECRET = 24, 64
_SECRET_CURE = (
    f"write {_PREFIX} and the base64 of {_LEAST_SECRET} to {_LARGEST_SECRET} random bytes, as "
    f'`echo "{_PREFIX}$(openssl rand -base64 32)"` prints it'
)


@dataclass(frozen=True)
class WebhookTarget:
    """Where the messages of a tenant are sent; secret: the bytes of the key that signs them."""

    url: str
    secret: bytes = field(repr=False)


def read_webhooks(path: Path) -> Mapping[str, WebhookTarget]:
    """Read a TOML file with one table ``[tenant]`` of ``url`` and ``secret`` per tenant; ``default`` without keys.

    Raises ValueError that names the entry, never the secret, and OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise ValueError(f"the file is larger than {_LARGEST_FILE} bytes")
    try:
        tables = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise ValueError("the file is not text in UTF-8") from None
    except tomllib.TOMLDecodeError:
        # Its message may quote the line with the secret.
        raise ValueError(
            'the file is no TOML: write [tenant], then url = "https://..." and secret = "whsec_..."'
        ) from None
    return {tenant: _target(tenant, table) for tenant, table in tables.items()}


def _target(tenant: str, table: Any) -> WebhookTarget:
    try:
        check_tenant(tenant)
        if not isinstance(table, dict) or table.keys() != {"url", "secret"}:
            raise ValueError("it must have url and secret, and nothing else")
        return WebhookTarget(_url(table["url"]), _secret(table["secret"]))
    except ValueError as error:
        raise ValueError(f"[{tenant[:100]}]: {error}") from None


def _url(text: Any) -> str:
    try:
        # As what sends the messages reads it: ports, hosts and characters that it refuses are refused here.
        url = httpx.URL(text if isinstance(text, str) else "")
    except httpx.InvalidURL:
        url = httpx.URL()
    is_web = url.scheme in ("http", "https") and url.host and (url.port or 1) <= _LARGEST_PORT
    if not is_web or not str(text).isprintable() or " " in str(text):
        raise ValueError("url must be an http or https URL, with spaces and special characters percent-encoded")
    return str(text)


def _secret(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith(_PREFIX):
        raise ValueError(f"secret: {_SECRET_CURE}")
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not _LEAST_SECRET <= len(secret) <= _LARGEST_SECRET:
        raise ValueError(f"secret: {_SECRET_CURE}")
    return secret
