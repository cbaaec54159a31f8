"""Read the body of POST /train (JSON, CSV, Excel or Parquet) as a training request."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from pydantic import ValidationError

from service.api.input.body import CSV_TYPE, JSON_TYPE, PARQUET_TYPE, idempotency_of, media_type, parse_json, read_body
from service.api.input.query import refuse_query, table_options
from service.api.input.series_input import read_panel, refuse_values_ahead
from service.api.input.table import TableSeries, read_any_table, table_series
from service.api.output.problems import invalid
from service.api.request_context import in_turn, load_of, resources_of
from service.api.schemas.training import TrainRequest
from service.errors import AmbiguousDates, InvalidTimestamps
from service.forecasting.series.local_time import check_time_zone
from service.forecasting.series.row_placement import Reading
from service.forecasting.training.planning import Plan
from service.tables.excel import XLSX_TYPE
from service.usecases.resources import Resources
from service.usecases.train import TrainingRequest

Decide = Callable[[Resources, TrainingRequest], Plan]

# Unused columns that a warning lists.
_SHOWN = 20


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
        read.panel,
        sent.options(),
        sent.name,
        read.summary,
        warnings,
        idempotency_of(request, body),
        sent.adaptive,
        sent.retrain,
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
