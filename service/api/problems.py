"""Errors as application/problem+json (RFC 9457): one table from class to status."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

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
    errors.UnsupportedContentType: 415,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.TrainingFailed: 500,
    errors.ModelFileCorrupt: 500,
    errors.Overloaded: 503,
    errors.Unavailable: 503,
}
_RETRY_SECONDS = 5
_MOST_FAULTS = 20


def status_of(error: ServiceError) -> int:
    """Return the HTTP status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def pointer(path: Path) -> str:
    """Return a JSON pointer (RFC 6901) as a URI fragment; parts in angle brackets name a schema, not a place."""
    parts = [str(part) for part in path if not (isinstance(part, str) and part[:1] == "<" and part[-1:] == ">")]
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
    """Return a problem as the answer to a request."""
    headers = {}
    if error.retry_after is not None or status_of(error) == 503:
        headers["Retry-After"] = str(error.retry_after or _RETRY_SECONDS)
    body = problem(error, getattr(request.state, "request_id", None), **extra)
    return Response(orjson.dumps(body), status_of(error), headers, MEDIA_TYPE)


def from_validation(details: Iterable[ErrorDetails], skip: int = 0) -> ServiceError:
    """Turn pydantic's findings into ours; ``skip`` leading parts of each location are left out."""
    found = list(details)
    broken = next((one for one in found if one["type"] == "json_invalid"), None)
    if broken is not None:
        return MalformedBody(f"the body is not valid JSON: {_plain(broken['msg'])}")
    faults = [Fault(tuple(one["loc"])[skip:], _plain(one["msg"])) for one in found[:_MOST_FAULTS]]
    first = faults[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return InvalidInput(f"{pointer(first.path)}: {first.detail}{more}", faults)


def _plain(message: str) -> str:
    return message.removeprefix("Invalid JSON: ").removeprefix("Value error, ")


def install(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""

    async def on_service_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)  # noqa: S101 (narrows the type; Starlette calls by class)
        if status_of(error) == 500:
            logger.error("%s: %s", error.slug, error.detail)
        return problem_response(error, request)

    async def on_query(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem_response(from_validation(error.errors(), skip=1), request)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        response = problem_response(_of_http(error, request), request)
        response.headers.update(error.headers or {})
        return response

    async def on_bug(request: Request, _: Exception) -> Response:
        return problem_response(ServiceError("something broke on our side; the server's log says what"), request)

    app.add_exception_handler(ServiceError, on_service_error)
    app.add_exception_handler(RequestValidationError, on_query)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)


def _of_http(error: HTTPException, request: Request) -> ServiceError:
    if error.status_code == 404:
        return errors.RouteNotFound(f"there is nothing at {request.url.path[:200]}; GET /docs lists the routes")
    if error.status_code == 405:
        return errors.MethodNotAllowed(f"{request.url.path[:200]} does not take {request.method}")
    return InvalidInput(str(error.detail)) if error.status_code < 500 else ServiceError(str(error.detail))


def invalid(error: ValidationError) -> ServiceError:
    """Turn a pydantic error into ours."""
    return from_validation(error.errors(include_url=False, include_context=False, include_input=False))
