"""The operations of a client, however requests are sent: each is a generator of steps that a driver executes.

So the logic exists once, and `Client` and `AsyncClient` differ only in how they send, watch and sleep.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import httpx
from httpx_sse import ServerSentEvent

from service import __version__
from service.client.problems import Unreachable, error_of

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call:
    """One request; the driver sends the `httpx.Response` into the generator, or throws `httpx.RequestError`.

    repeatable: sending it twice has the same effect as sending it once, so it may be sent again if no answer came.
    done: statuses which mean, if an earlier answer was lost, that the earlier request has succeeded.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    done: tuple[int, ...] = ()


@dataclass(frozen=True)
class Watch:
    """Read server-sent events until the stream ends; the driver passes each event to ``hear``.

    It throws `httpx.RequestError` if the stream breaks, ServiceError if the request is refused.
    """

    path: str
    headers: Mapping[str, str]
    hear: Callable[[ServerSentEvent], None]


@dataclass(frozen=True)
class Pause:
    """Sleep for ``seconds``."""

    seconds: float


Step = Call | Watch | Pause
Steps = Generator[Step, Any, Answer]


def path_of(*parts: str) -> str:
    """Join parts to a path, with each part percent-encoded."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


TIMEOUT = 60.0
"""Seconds that one request may take by default."""


@dataclass(frozen=True)
class Connection:
    """url: of the server, without a trailing slash; headers, retries: of each request."""

    url: str
    retries: int
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, url: str | None, api_key: str | None, retries: int) -> Connection:
        """Create a connection; arguments that are None are taken from FORECAST_URL and FORECAST_API_KEY.

        Raises ValueError for a URL, key or number of retries that is not valid.
        """
        if url is None or api_key is None:
            # Imported here because it takes longer than all other imports of the client.
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
    """Return whether the port, if there is one, is a valid port number."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


MOST_RETRIES = 4
"""How often a request is sent again by default: over a period of four to eight seconds."""


# Seconds of the first pause, and of the longest; each is up to twice the previous one.
_FIRST, _LONGEST = 0.5, 20.0


# If the server requests a longer pause, the client gives up.
_LONGEST_ASKED = 60.0


_BUSY = (429, 503)


_OF_PROXIES = (502, 504)


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def answered(call: Call, url: str, retries: int) -> Steps[httpx.Response]:
    """Send a call until the response is a success.

    Raises the ServiceError of the last response, or Unreachable.
    """
    lost = False
    for attempt in count():
        try:
            response: httpx.Response = yield call
        except httpx.RequestError as error:
            sent = not isinstance(error, _NOT_SENT)
            if attempt >= retries or (sent and not call.repeatable):
                raise Unreachable(url, _reason(error)) from error
            lost = lost or sent
            yield Pause(_backoff(attempt))
            continue
        if response.is_success or (lost and response.status_code in call.done):
            return response
        refusal = error_of(response)
        asked = refusal.retry_after or 0
        if attempt >= retries or asked > _LONGEST_ASKED or not _passes(response.status_code, call):
            raise refusal
        yield Pause(max(asked, _backoff(attempt)))
    raise AssertionError("unreachable")


def is_passing(status: int | None) -> bool:
    """Return whether a request that was refused with this status may soon succeed."""
    return status in (*_BUSY, *_OF_PROXIES)


def _passes(status: int, call: Call) -> bool:
    return status in _BUSY or (status in _OF_PROXIES and call.repeatable)


def _backoff(attempt: int) -> float:
    # Jitter, so that not all clients return at the same moment when a server restarts.
    return min(_LONGEST, _FIRST * 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311 (no secret)


def _reason(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return str(error) or type(error).__name__
