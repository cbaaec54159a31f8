"""Send requests to a server, again if that may help; operations are coroutines, which the blocking client runs at once.

So each operation is written once, as `operation`, and the two clients differ only in their transport.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from urllib.parse import quote, urlsplit

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse, connect_sse

from service import __version__
from service.client.problems import Unreachable, document, error_of
from service.errors import ServiceError

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")
Hear = Callable[[ServerSentEvent], None]
Record = dict[str, Any]

_PAGE = 500


@dataclass(frozen=True)
class Call:
    """One request.

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

    @property
    def options(self) -> dict[str, Any]:
        """The query, body and headers as arguments of httpx."""
        return {"params": self.query, "content": self.content, "headers": self.headers}


class BlockingTransport:
    """Sends with blocking calls, in coroutines that never suspend."""

    def __init__(self, **options: Any) -> None:
        self.http = httpx.Client(**options)

    async def send(self, call: Call) -> httpx.Response:
        """Send one request. Raises httpx.RequestError."""
        return self.http.request(call.method, call.path, **call.options)

    async def watch(self, call: Call, hear: Hear) -> None:
        """Pass each server-sent event to ``hear`` until the stream ends.

        Raises httpx.RequestError or SSEError if the stream breaks, ServiceError if the request is refused.
        """
        with connect_sse(self.http, call.method, call.path, **call.options) as source:
            if source.response.is_error:
                source.response.read()
                raise error_of(source.response)
            for event in source.iter_sse():
                hear(event)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    async def close(self) -> None:
        """Close all connections."""
        self.http.close()


class AsyncTransport:
    """The same for an event loop."""

    def __init__(self, **options: Any) -> None:
        self.http = httpx.AsyncClient(**options)

    async def send(self, call: Call) -> httpx.Response:
        """Send one request; see `BlockingTransport`."""
        return await self.http.request(call.method, call.path, **call.options)

    async def watch(self, call: Call, hear: Hear) -> None:
        """Pass each server-sent event to ``hear``; see `BlockingTransport`."""
        async with aconnect_sse(self.http, call.method, call.path, **call.options) as source:
            if source.response.is_error:
                await source.response.aread()
                raise error_of(source.response)
            async for event in source.aiter_sse():
                hear(event)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()


Transport = BlockingTransport | AsyncTransport


def run_blocking(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine over a `BlockingTransport`, whether or not the thread has an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    raise RuntimeError("an operation of a blocking client was suspended")


class Blocking:
    """Base of classes whose operations block."""

    _transport: type[Transport] = BlockingTransport


class Awaited:
    """Base of classes whose operations are coroutines."""

    _transport: type[Transport] = AsyncTransport


class operation(Generic[Arguments, Answer]):  # noqa: N801 (a decorator)
    """Decorator of a coroutine method that makes it a blocking method of `Blocking` subclasses."""

    def __init__(self, method: Callable[Concatenate[Any, Arguments], Coroutine[Any, Any, Answer]]) -> None:
        @wraps(method)
        def blocking(*args: Any, **kwargs: Any) -> Answer:
            return run_blocking(method(*args, **kwargs))

        self._awaited: Any = method
        self._blocking: Any = blocking

    @overload
    def __get__(self, one: Blocking, owner: type[Any]) -> Callable[Arguments, Answer]: ...

    @overload
    def __get__(self, one: Awaited, owner: type[Any]) -> Callable[Arguments, Coroutine[Any, Any, Answer]]: ...

    @overload
    def __get__(self, one: object, owner: type[Any]) -> Callable[..., Any]: ...

    def __get__(self, one: object, owner: type[Any]) -> Any:
        method = self._blocking if issubclass(owner, Blocking) else self._awaited
        return method.__get__(one, owner)


TIMEOUT = 60.0
"""Seconds that one request may take by default."""

MOST_RETRIES = 4
"""How often a request is sent again by default: over a period of four to eight seconds."""

# Seconds of the first pause, and of the longest; each is up to twice the previous one.
_FIRST, _LONGEST = 0.5, 20.0

# If the server requests a longer pause, the client gives up.
_LONGEST_ASKED = 60.0

_BUSY = (429, 503)
_OF_PROXIES = (502, 504)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


FIELDS = {
    "models": ("model_id", "status"),
    "jobs": ("job_id", "model_id", "status"),
    "names": ("name", "model_id", "mode"),
}
"""The fields that every record has; an answer without them comes from another server."""


class Connection:
    """A connection to a server. url: without a trailing slash; transport: sends single requests."""

    def __init__(
        self,
        transport: type[Transport],
        url: str | None,
        api_key: str | None,
        timeout: float,
        retries: int,
    ) -> None:
        """Connect; url and api_key are taken from FORECAST_URL and FORECAST_API_KEY if they are None.

        Raises ValueError for a URL, key or number of retries that is not valid.
        """
        if url is None or api_key is None:
            # Imported here because it takes longer than all other imports of the client.
            from service.settings import ClientSettings

            settings = ClientSettings()
            url = settings.url if url is None else url
            if api_key is None and settings.api_key is not None:
                api_key = settings.api_key.get_secret_value()
        if not _is_url(url):
            raise ValueError(f"the URL of a server looks like http://127.0.0.1:8000, got {url!r}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, got {retries}")
        headers = {"User-Agent": f"forecast-service-client/{__version__}"}
        if api_key:
            if not (api_key.isascii() and api_key.isprintable()):
                raise ValueError("the API key has characters that are not allowed in a key")
            headers["Authorization"] = f"Bearer {api_key}"
        self.url = url.rstrip("/")
        self.transport = transport(base_url=self.url, headers=headers, timeout=timeout)
        self._retries = retries

    async def answered(self, call: Call, retries: int | None = None) -> httpx.Response:
        """Send a call until the response is a success.

        Raises the ServiceError of the last response, or Unreachable.
        """
        left = self._retries if retries is None else retries
        lost = False
        for attempt in count():
            try:
                response = await self.transport.send(call)
            except httpx.RequestError as error:
                sent = not isinstance(error, _NOT_SENT)
                if attempt >= left or (sent and not call.repeatable):
                    raise Unreachable(self.url, _reason(error)) from error
                lost = lost or sent
                await self.transport.sleep(_backoff(attempt))
                continue
            if response.is_success or (lost and response.status_code in call.done):
                break
            refusal = error_of(response)
            asked = refusal.retry_after or 0
            if attempt >= left or asked > _LONGEST_ASKED or not is_passing(response.status_code, call.repeatable):
                raise refusal
            await self.transport.sleep(max(asked, _backoff(attempt)))
        return response

    async def document(self, call: Call, *names: str) -> dict[str, Any]:
        """Send a call; return the JSON object of the response, which must have these names."""
        return document(await self.answered(call), *names)

    async def listed(self, kind: str, limit: int | None, **only: str | None) -> list[Record]:
        """Return the entries of a list, at most ``limit``; only: those with these values of fields."""
        found: list[Record] = []
        query = {name: value for name, value in only.items() if value is not None}
        async for page in self.pages(path_of(kind), kind, query):
            found += page[kind]
            if limit is not None and len(found) >= limit:
                break
        return found[:limit]

    async def pages(self, path: str, kind: str, query: Mapping[str, str]) -> AsyncIterator[Record]:
        """Yield the pages of a list, each as an object with the entries under ``kind``."""
        seen: set[str | None] = {None}
        asked = {**query, "limit": str(_PAGE)}
        while True:
            page = await self.document(Call("GET", path, tuple(asked.items())), kind, "next_cursor")
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                break
            if not isinstance(cursor, str) or cursor in seen:
                raise ServiceError(f"the list of {kind} has no end: its next_cursor leads to no new page")
            seen.add(cursor)
            asked["cursor"] = cursor

    async def record(self, kind: str, one: str) -> dict[str, Any]:
        """Return the record of a model, job or name (``kind`` is ``models``, ``jobs`` or ``names``)."""
        return await self.document(Call("GET", path_of(kind, one)), *FIELDS[kind])


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


_DOTS = (".", "..")


def path_of(*parts: str) -> str:
    """Join parts to a path, with each part percent-encoded, also those that would mean another folder."""
    return "".join("/" + (part.replace(".", "%2E") if part in _DOTS else quote(part, safe="")) for part in parts)


def is_passing(status: int | None, repeatable: bool = True) -> bool:
    """Return whether a request that was refused with this status may soon succeed."""
    return status in _BUSY or (repeatable and status in _OF_PROXIES)


def _backoff(attempt: int) -> float:
    # Jitter, so that not all clients return at the same moment when a server restarts.
    return min(_LONGEST, _FIRST * 2.0**attempt) * random.uniform(0.5, 1)  # noqa: S311 (no secret)


def _reason(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return str(error) or type(error).__name__
