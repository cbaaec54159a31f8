"""What a client does, step by step, whoever sends: each verb is a generator of steps, and one driver runs them.

So the logic stands once, and `Client` and `AsyncClient` differ in how they send, watch and sleep alone.
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
    """One request; the driver sends the `httpx.Response` back in, or throws `httpx.RequestError`.

    repeatable: sending it twice does no more than sending it once, so it may be sent again where no answer came.
    done: statuses which say, where an earlier answer was lost, that the earlier request has done it.
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
    """Read server-sent events until the stream ends; the driver hands each to ``hear``.

    It throws `httpx.RequestError` where the stream breaks, ServiceError where it is refused.
    """

    path: str
    headers: Mapping[str, str]
    hear: Callable[[ServerSentEvent], None]


@dataclass(frozen=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


Step = Call | Watch | Pause
Steps = Generator[Step, Any, Answer]


def path_of(*parts: str) -> str:
    """Return a path of these parts, whatever is in them."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


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


MOST_RETRIES = 4
"""How often a request is sent again by default: over four to eight seconds."""


# Seconds of the first pause, and the longest; each is up to twice the one before.
_FIRST, _LONGEST = 0.5, 20.0


# A server that asks for more is not waited for.
_LONGEST_ASKED = 60.0


_BUSY = (429, 503)


_OF_PROXIES = (502, 504)


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def answered(call: Call, url: str, retries: int) -> Steps[httpx.Response]:
    """Send a call until it is answered with success.

    Raises the ServiceError of the last refusal, or Unreachable.
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
    """Tell whether what was refused with this status may be answered soon."""
    return status in (*_BUSY, *_OF_PROXIES)


def _passes(status: int, call: Call) -> bool:
    return status in _BUSY or (status in _OF_PROXIES and call.repeatable)


def _backoff(attempt: int) -> float:
    # Not all clients of a server that comes back at the same moment.
    return min(_LONGEST, _FIRST * 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311 (no secret)


def _reason(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return str(error) or type(error).__name__
