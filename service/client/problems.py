"""Convert error responses to the typed errors of `service.errors`; and the error for a server that does not answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from service.errors import Fault, Path, ServiceError

TYPE_PREFIX = "urn:forecast:problem:"


class Unreachable(ConnectionError):
    """The server did not answer any attempt of the request. url: the URL of the server."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"the forecast service at {url} cannot be reached: {why}")
        self.url = url


def document(response: httpx.Response, *names: str) -> dict[str, Any]:
    """Return the JSON object of a response.

    Raises ServiceError if there is none, or if it lacks these names: then this is another server.
    """
    with suppress(orjson.JSONDecodeError):
        read = orjson.loads(response.content)
        if isinstance(read, dict) and read.keys() >= set(names):
            return read
    raise _foreign(response)


def error_of(response: httpx.Response) -> ServiceError:
    """Return the error of a response, as the class that its type names."""
    try:
        problem = orjson.loads(response.content)
        if not problem["type"].startswith(TYPE_PREFIX):
            return _foreign(response)
        error = error_from(problem)
    except (AttributeError, KeyError, TypeError, ValueError):
        return _foreign(response)
    error.retry_after = _seconds(response.headers.get("Retry-After"))
    error.request_id = problem.get("request_id") or response.headers.get("X-Request-ID")
    return error


def error_from(problem: Mapping[str, Any]) -> ServiceError:
    """Return the error that a problem describes, as an error response or a failed job contains it."""
    faults = [{"path": _path(one["pointer"]), "detail": one["detail"]} for one in problem.get("errors") or ()]
    slug = str(problem["type"]).removeprefix(TYPE_PREFIX)
    error = ServiceError.from_record({"slug": slug, "detail": problem.get("detail", ""), "faults": faults})
    error.title = problem.get("title", error.title)
    error.status, error.job_id = problem.get("status"), problem.get("job_id")
    return error


def pointer_of(fault: Fault) -> str:
    """Return the location of a fault as a JSON pointer."""
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in fault.path)


def _foreign(response: httpx.Response) -> ServiceError:
    error = ServiceError(
        f"{response.request.url.copy_with(query=None)} answered {response.status_code} {response.reason_phrase}, which "
        "is no response of a forecast service: is the URL right, or is there a proxy in between?"
    )
    error.status = response.status_code
    error.retry_after = _seconds(response.headers.get("Retry-After"))
    return error


def _path(pointer: str) -> Path:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("#").split("/")[1:]]
    return tuple(int(part) if part.isdecimal() and part.isascii() else part for part in parts)


def _seconds(retry_after: str | None) -> int | None:
    """Parse a Retry-After header: seconds, or a date."""
    if retry_after is None:
        return None
    try:
        if retry_after.isdecimal() and retry_after.isascii():
            return int(retry_after)
        return max(0, round(parsedate_to_datetime(retry_after).timestamp() - time.time()))
    except ValueError:
        return None
