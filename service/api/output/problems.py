"""Errors as application/problem+json (RFC 9457), with one table from error class to HTTP status."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors
from service.errors import Fault, InvalidInput, MalformedBody, Path, ServiceError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:forecast:problem:"

STATUS: dict[type[ServiceError], int] = {
    ServiceError: 500,
    errors.InvalidInput: 422,
    errors.MalformedBody: 400,
    errors.BodyTooLarge: 413,
    errors.HeadTooLarge: 431,
    errors.RequestTooSlow: 408,
    errors.UnsupportedContentType: 415,
    errors.Unauthenticated: 401,
    errors.NotPermitted: 403,
    errors.ForeignHost: 421,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.TrainingFailed: 500,
    errors.ModelFileCorrupt: 500,
    errors.TooManyRequests: 429,
    errors.Overloaded: 503,
    errors.Unavailable: 503,
}
_RETRY_SECONDS = 5
_MOST_FAULTS = 20
_LONGEST_PART = 200
_SCHEMA = re.compile("<.*>", re.DOTALL)
# Listing more than this takes pydantic seconds and helps nobody.
_MOST_FINDINGS = 1000
UNREAD = object()
"""Placeholder for a body that is too large to be parsed again."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# For errors where pydantic's own message does not say how to fix the input.
_CURES = {
    "missing": "this required field is missing: send it",
    "extra_forbidden": "there is no field of this name: leave it out, or look up the name in /docs",
    "finite_number": "NaN and infinity are refused: send a number, or null where a value is missing",
    "model_type": "must be an object with keys and values",
}


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def pointer(path: Path) -> str:
    """Return a JSON pointer (RFC 6901) as a URI fragment.

    Parts in angle brackets name a schema, not a location, and are left out. Parts that are too long for a name are
    truncated.
    """
    parts = [str(part)[:_LONGEST_PART] for part in path if not _SCHEMA.fullmatch(str(part))]
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def problem(error: ServiceError, request_id: str | None, **extra: Any) -> dict[str, Any]:
    """Return the body of a problem."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + error.slug,
        "title": error.title,
        "status": status_of(error),
        "detail": error.detail,
    }
    if error.faults:
        body["errors"] = [{"pointer": pointer(fault.path), "detail": fault.detail} for fault in error.faults]
    return {**body, "request_id": request_id, **extra}


def problem_response(error: ServiceError, request: Request, **extra: Any) -> Response:
    """Return the response for a problem."""
    status = status_of(error)
    headers = {}
    if error.retry_after is not None or status in (429, 503):
        headers["Retry-After"] = str(error.retry_after or _RETRY_SECONDS)
    if isinstance(error, errors.Unauthenticated):
        # RFC 6750, section 3.
        wrong = ', error="invalid_token"' if error.wrong else ""
        headers["WWW-Authenticate"] = f'Bearer realm="forecast"{wrong}'
    body = problem(error, getattr(request.state, "request_id", None), **extra)
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def error_response(error: Exception, request: Request) -> Response:
    """Return the response for an exception; log those that need the operator's attention."""
    if isinstance(error, ServiceError):
        if status_of(error) == 500:
            logger.error("%s: %s", error.slug, error.detail)
        elif isinstance(error, errors.Unavailable):
            logger.warning("%s: %s", error.slug, error.detail)
        return problem_response(error, request)
    if isinstance(error, RequestValidationError):
        sent = {**request.path_params, **request.query_params}
        return problem_response(from_validation(error.errors(), sent, skip=1), request)
    if isinstance(error, HTTPException):
        return _http_response(error, request)
    # A bug; its details are for the log, not for the client.
    bug = ServiceError("the request failed because of a bug; the server's log has the details")
    return problem_response(bug, request)


def install(app: FastAPI) -> None:
    """Register the handler that turns every error of the application into a problem."""

    async def on_error(request: Request, error: Exception) -> Response:
        return error_response(error, request)

    for kind in (ServiceError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)


class ProblemResponses:
    """Middleware that turns the errors of the middleware inside it into responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            await self._app(scope, receive, send)
        except ServiceError as error:
            await error_response(error, Request(scope, receive))(scope, receive, send)


def _http_response(error: HTTPException, request: Request) -> Response:
    path, headers = request.url.path[:200], dict(error.headers or {})
    problem: ServiceError
    if error.status_code == 404:
        problem = errors.RouteNotFound(f"there is nothing at {path}; GET /docs lists the routes")
    elif error.status_code == 405:
        fixed = request.app.methods_of_paths.get(request.scope["path"])
        methods = [method for method in _METHODS if (method in fixed if fixed else _takes(request, method))]
        problem = errors.MethodNotAllowed(f"{path} accepts {' and '.join(methods)}, not {request.method[:20]}")
        # Starlette lists the methods of the first route with this path, not those of all of them.
        headers["Allow"] = ", ".join(methods)
    else:
        problem = (InvalidInput if error.status_code < 500 else ServiceError)(str(error.detail))
    response = problem_response(problem, request)
    response.headers.update(headers)
    return response


def _takes(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def from_validation(details: Sequence[ErrorDetails], sent: Any, skip: int = 0) -> ServiceError:
    """Turn pydantic's errors about ``sent`` into a `ServiceError`.

    sent: what was validated, or `UNREAD`; skip: number of leading parts of each location to leave out.
    """
    found: dict[Path, list[str]] = {}
    for one in details:
        text = _CURES.get(one["type"], one["msg"].removeprefix("Value error, "))
        found.setdefault(_place(one["loc"][skip:], sent), []).append(text)
    faults = [Fault(path, " or ".join(dict.fromkeys(texts))) for path, texts in found.items()]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    place = pointer(faults[0].path)
    # What is wrong with the whole request has no place in it.
    where = f"{place}: " if place != "#" else ""
    return InvalidInput(f"{where}{faults[0].detail}{more}", faults[:_MOST_FAULTS])


def _place(location: Path, sent: Any) -> Path:
    """Remove the parts of pydantic's location that name a branch of a union and not a location in the request."""
    if sent is UNREAD:
        return location
    place: list[str | int] = []
    for number, part in enumerate(location, 1):
        if isinstance(sent, dict) and (part in sent or number == len(location)):
            sent = sent.get(part)
        elif isinstance(sent, list) and isinstance(part, int) and part < len(sent):
            sent = sent[part]
        else:
            continue
        place.append(part)
    return tuple(place)


def invalid(error: ValidationError, sent: Callable[[], Any]) -> ServiceError:
    """Turn a pydantic error into ours; ``sent`` returns what was validated, and is not called for invalid JSON."""
    count = error.error_count()
    if count > _MOST_FINDINGS:
        detail = f"{count} values or names of the request cannot be used, too many to list"
        return InvalidInput.at((), f"{detail}: send numbers or null as values, and only names that are in /docs")
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return MalformedBody(f"the body is not valid JSON: {details[0]['msg'].removeprefix('Invalid JSON: ')}")
    return from_validation(details, sent())
