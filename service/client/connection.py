"""Where the server is, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from service import __version__

TIMEOUT = 60.0
"""Seconds that one request may take by default."""


@dataclass(frozen=True)
class Connection:
    """url: of the server, without a slash at its end; headers: of each request; retries: of each request."""

    url: str
    retries: int
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: str | None, api_key: str | None, retries: int) -> Connection:
        """Make a connection; what is None comes from FORECAST_URL and FORECAST_API_KEY.

        Raises ValueError for a URL, key or number of retries that cannot be used.
        """
        if url is None or api_key is None:
            # Here, because it takes longer than everything else that a client imports.
            from service.settings import ClientSettings

            settings = ClientSettings()
            url = settings.url if url is None else url
            if api_key is None and settings.api_key is not None:
                api_key = settings.api_key.get_secret_value()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise ValueError(f"the URL of a server looks like http://127.0.0.1:8000, got {url!r}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, got {retries}")
        headers = {"User-Agent": f"forecast-service-client/{__version__}"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise ValueError("the API key has characters that no key has")
            headers["Authorization"] = f"Bearer {api_key}"
        return cls(url.rstrip("/"), retries, headers)


def _has_port(parts: SplitResult) -> bool:
    """Tell whether the port, where there is one, is a number that a port can have."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
