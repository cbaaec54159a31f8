"""Read the body of POST /train (JSON, CSV, Excel or Parquet) as a training request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from fastapi import Request
from pydantic import ValidationError

from service.api.input.body import CSV_TYPE, JSON_TYPE, PARQUET_TYPE, media_type, parse_json, read_body
from service.api.input.excel_body import CELLS_A_VALUE, read_excel
from service.api.input.parquet_body import read_parquet
from service.api.input.query import refuse_query, table_options
from service.api.input.series_input import read_panel, refuse_values_ahead
from service.api.input.table import Table, TableSeries, table_series
from service.api.output.problems import invalid
from service.api.request_context import in_turn, load_of, resources_of
from service.api.schemas.training import TrainRequest
from service.errors import AmbiguousDates, InvalidInput, InvalidTimestamps
from service.forecasting.series.local_time import check_time_zone
from service.forecasting.series.row_placement import Reading
from service.forecasting.training.planning import Plan
from service.tables.csv_table import read_table
from service.tables.excel import XLSX_TYPE
from service.usecases.resources import Resources
from service.usecases.train import TrainingRequest

Decide = Callable[[Resources, TrainingRequest], Plan]

LONGEST_KEY = 200
# Unused columns that a warning lists.
_SHOWN = 20
_NOT_PART_OF_REQUEST = ("wait",)


async def read_training_request(request: Request, decide: Decide) -> tuple[TrainingRequest, Plan]:
    """Read, validate and plan off the event loop; decide: makes the plan.

    Raises MalformedBody, BodyTooLarge, UnsupportedContentType, InvalidInput, Overloaded.
    """
    kind = media_type(request, JSON_TYPE, CSV_TYPE, PARQUET_TYPE, XLSX_TYPE)
    load_of(request).check_room()
    body = await read_body(request)

    return await in_turn(request, _read_and_plan, request, kind, body, decide)


def _read_and_plan(request: Request, kind: str, body: bytes, decide: Decide) -> tuple[TrainingRequest, Plan]:
    warnings: tuple[str, ...] = ()
    time, cure = None, ""
    if kind == JSON_TYPE:
        refuse_query(request.query_params)
        sent = parse_json(TrainRequest, body)
    else:
        sent, table = _from_table(request, kind, body)
        time, cure = table.time, table.cure
        warnings = (*table.warnings, *([_not_used(table.ignored)] if table.ignored else []))
    refuse_values_ahead(sent.series, ("series",))
    if sent.time_zone is not None:
        check_time_zone(sent.time_zone, ("time_zone",))
    reading, limits = Reading(sent.time_zone, sent.resample), resources_of(request).limits
    try:
        read = read_panel(sent.series, ("series",), sent.future_covariates, True, reading, limits=limits)
    except (InvalidTimestamps, AmbiguousDates) as error:
        if time is None:
            raise
        raise type(error).at(error.faults[0].path, f"column {time[:60]!r}: {error.detail}{cure}") from None
    warnings += read.warnings
    asked = TrainingRequest(
        read.panel, sent.options(), sent.name, read.summary, warnings, idempotency_of(request, body)
    )
    return asked, decide(resources_of(request), asked)


def _not_used(columns: tuple[str, ...]) -> str:
    names = f"{', '.join(columns[:_SHOWN])}{' and more' if len(columns) > _SHOWN else ''}"
    return f"columns not used: {names}; name them with covariates= or future_covariates= to use them"


def _from_table(request: Request, kind: str, body: bytes) -> tuple[TrainRequest, TableSeries]:
    query = table_options(request.query_params)
    table = table_series(read_any_table(request, kind, body, query.format), **query.roles)
    sent = {**query.options, "series": table.series}
    try:
        # Not strict: all numbers in a query are strings.
        return TrainRequest.model_validate(sent), table
    except ValidationError as error:
        raise invalid(error, lambda: sent) from None


def read_any_table(request: Request, kind: str, body: bytes, form: Mapping[str, str | None]) -> Table:
    """Return the table of a body that is not JSON. kind: its content type. Raises what its reader raises."""
    most = resources_of(request).limits.settings.max_points
    if kind == CSV_TYPE:
        return read_table(body, most_rows=most, **form)
    if kind == XLSX_TYPE:
        return read_excel(body, most, request.app.state.max_body_bytes, **form)
    return read_parquet(body, CELLS_A_VALUE * most, request.app.state.max_body_bytes, **form)


def idempotency_of(request: Request, body: bytes) -> tuple[str, str] | None:
    """Return the idempotency key of a request and a hash of all of it; None without a key. Raises InvalidInput."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY:
        detail = f"the Idempotency-Key must have 1 to {LONGEST_KEY} characters, got {len(key)}"
        raise InvalidInput.at(("Idempotency-Key",), detail)
    digest = hashlib.sha256(request.headers.get("content-type", "").encode() + b"\0")
    for name, value in sorted(request.query_params.multi_items()):
        if name not in _NOT_PART_OF_REQUEST:
            digest.update(f"{len(name)}:{name}={len(value)}:{value};".encode())
    digest.update(b"\0" + body)
    return key, digest.hexdigest()
