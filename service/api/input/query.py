"""The query of an uploaded table: how to read it, and the options of /train as dotted parameters."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.datastructures import QueryParams

from service.api.schemas.forecasting import AskedModel
from service.errors import InvalidInput

_FORMAT = ("separator", "decimal", "thousands")
_ROLES = ("time", "date_format", "freq")
_REPEATED = ("target", "item", "covariates", "future_covariates")
# Options that are lists: the parameter is repeated for each element.
_LISTS = ("scaling_range", "candidates")
_OF_ROUTE = ("wait", "dry_run")


class TableOptions(NamedTuple):
    """The query of a table.

    format: arguments of `read_table`; roles: arguments of `table_series`; options: what a JSON body would have next to
    ``series``.
    """

    format: dict[str, str | None]
    roles: dict[str, Any]
    options: dict[str, Any]


def table_options(query: QueryParams) -> TableOptions:
    """Sort the parameters. Raises InvalidInput for one that is given twice."""
    roles: dict[str, Any] = {name: query.get(name) for name in _ROLES}
    roles["targets"] = query.getlist("target")
    roles |= {name: query.getlist(name) for name in ("item", "covariates", "future_covariates")}
    options: dict[str, Any] = {}
    for name in dict.fromkeys(query.keys()):
        values = query.getlist(name)
        if name in _LISTS:
            options[name] = None if values == ["null"] else values
        elif name not in (*_OF_ROUTE, *_REPEATED):
            if len(values) > 1:
                detail = f"{name} is given {len(values)} times; only {', '.join((*_REPEATED, *_LISTS))} may be repeated"
                raise InvalidInput.at(tuple(name.split(".")), detail)
            if name not in (*_FORMAT, *_ROLES):
                _place(options, name, values[0])
    return TableOptions({name: query.get(name) for name in _FORMAT}, roles, options)


def _place(options: dict[str, Any], name: str, value: str) -> None:
    *parents, last = name.split(".")
    if name == "series" or parents[:1] == ["series"]:
        raise InvalidInput.at((name,), "with a table the series is the body; it cannot be in the query too")
    place = options
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise InvalidInput.at((parent,), f"{parent} is given both as a value and with parts")
    place[last] = None if value == "null" else value


def refuse_query(query: QueryParams) -> None:
    """Raise InvalidInput for query parameters of a JSON request, which would have no effect."""
    for name in query.keys():  # noqa: SIM118 (QueryParams iterates over pairs otherwise)
        if name not in _OF_ROUTE:
            raise InvalidInput.at((name,), f"with a JSON body, {name} belongs in the body, not in the query")


async def refuse_repeated(request: Request) -> None:
    """Raise InvalidInput if a parameter that the route declares is given more than once.

    This is a coroutine because FastAPI runs other functions in threads, which may all be waiting.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    for name in (one.alias for one in route.dependant.query_params if not _is_list(one.field_info.annotation)):
        times = len(request.query_params.getlist(name))
        if times > 1:
            raise InvalidInput.at((name,), f"{name} is given {times} times: give it once")


def _is_list(annotation: object) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


_DIGITS = re.compile(r"-?[0-9]+")


def _digits(sent: object) -> object:
    if isinstance(sent, str) and not _DIGITS.fullmatch(sent):
        raise ValueError("must be a whole number, in digits")
    return sent


WholeNumber = Annotated[int, BeforeValidator(_digits)]


def check_model_in_query(request: Request, asked: AskedModel) -> None:
    """Check that a query names the same model as the body; the query is always optional.

    Raises InvalidInput.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:  # the usual case
        return
    query = QueryParams(raw)
    for field in ("model_id", "name"):
        said = getattr(asked, field)
        for sent in query.getlist(field):
            if sent != said:
                detail = f"{field} in the query must be that of the body, {said!r}, got {sent[:200]!r}"
                raise InvalidInput.at((field,), detail)
