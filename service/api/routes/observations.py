"""Routes under /models/{model_id}/observations, and the same for the model that a name means."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response

from service.api.input.body import CSV_TYPE, PARQUET_TYPE
from service.api.input.observations_request import read_observations_request
from service.api.input.observed_rows import Rows, rows_between
from service.api.input.query import WholeNumber
from service.api.name_paths import decoded_name
from service.api.output.openapi import parameter, problems, schema_of
from service.api.output.responses import json_response
from service.api.request_context import forget_body, in_turn, load_of, resources_of, tenant_of
from service.api.routes.names import InPath
from service.api.routes.training import TABLE_PARAMETERS
from service.api.schemas.observations import ObservationsAnswer, ObservationsList, ObservationsRequest
from service.errors import InvalidOption
from service.forecasting.observations.changes import Removal
from service.forecasting.observations.kept_series import KeptSeries
from service.tables.excel import XLSX_TYPE
from service.usecases.forecast import LoadedModel, load_model, read_series
from service.usecases.limits import Limits
from service.usecases.observations import change_meant, change_series

router = APIRouter(tags=["observations"])

_OF_MODEL, _OF_NAME = "/models/{model_id}/observations", "/names/{name}/observations"

ModelId = Annotated[str, Path(description="ID of the model.")]
Items = Annotated[
    list[str] | None, Query(alias="item", description="ID of an item; repeat for several. By default all.")
]
Start = Annotated[
    str | None, Query(max_length=64, description="First time; without times, the number of the first row.")
]
Limit = Annotated[WholeNumber, Query(ge=1, le=100_000, description="Most rows of each item, the latest.")]
End = Annotated[str | None, Query(max_length=64, description="Last time or row, included; by default the latest.")]

_TEXT = {"type": "string"}
_BINARY = {"schema": {**_TEXT, "format": "binary", "minLength": 1}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": schema_of(ObservationsRequest),
            CSV_TYPE: {"schema": {**_TEXT, "minLength": 1, "description": "A header row, then one row per time."}},
            PARQUET_TYPE: _BINARY,
            XLSX_TYPE: _BINARY,
        },
    },
    "parameters": [
        parameter("Idempotency-Key", "header", _TEXT, "For 24 hours, the same request changes the series only once"),
        parameter("start_index", "query", _TEXT, "As in JSON, a number (tables only)"),
        parameter("replace", "query", _TEXT, "As in JSON, true or false (tables only)"),
        *(
            parameter(name, "query", schema, f"{description} (tables only)")
            for name, (schema, description) in TABLE_PARAMETERS.items()
        ),
    ],
}


@router.post(
    _OF_MODEL,
    summary="Add actual values",
    openapi_extra=_BODY,
    responses={200: {"model": ObservationsAnswer}, **problems(400, 404, 409, 413, 415, 422)},
)
async def observe(request: Request, model_id: ModelId) -> Response:
    """Append actual values to the model's series: forecasts start from its new end at once, without a training.

    Values that are known already are ignored, so a request may be sent again. If one differs from the known one, the
    request is refused with 409 and nothing of it is applied, unless `replace` is true. Rows that are skipped become
    missing values. New items are forecast like those that the model has not seen.
    """
    return await _observe(request, model_id, None)


@router.post(
    _OF_NAME,
    summary="Add actual values to the model that a name means",
    openapi_extra=_BODY,
    responses={200: {"model": ObservationsAnswer}, **problems(400, 404, 409, 413, 415, 422)},
)
async def observe_named(request: Request, name: InPath) -> Response:
    """Do what `/models/{model_id}/observations` does, for the model that the name means now."""
    return await _observe(request, None, decoded_name(name))


async def _observe(request: Request, model_id: str | None, name: str | None) -> Response:
    load_of(request).check_room()
    asked = await read_observations_request(request)
    answer = await in_turn(request, asked.apply, resources_of(request), tenant_of(request), model_id, name)
    forget_body(request)
    return json_response(answer)


@router.get(
    _OF_MODEL, summary="Read observations", responses={200: {"model": ObservationsList}, **problems(404, 409, 422)}
)
async def show(
    request: Request,
    model_id: ModelId,
    item: Items = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 1000,
) -> Response:
    """Return the values since the training, or those that the model keeps from `start` on."""
    return await in_turn(request, _show, request, model_id, None, item, start, end, limit)


@router.get(
    _OF_NAME,
    summary="Read the observations of the model that a name means",
    responses={200: {"model": ObservationsList}, **problems(404, 409, 422)},
)
async def show_named(
    request: Request, name: InPath, item: Items = None, start: Start = None, end: End = None, limit: Limit = 1000
) -> Response:
    """Do what `/models/{model_id}/observations` does, for the model that the name means now."""
    return await in_turn(request, _show, request, None, decoded_name(name), item, start, end, limit)


def _show(
    request: Request,
    model_id: str | None,
    name: str | None,
    items: list[str] | None,
    start: str | None,
    end: str | None,
    limit: int,
) -> Response:
    model = _latest(request, model_id, name)
    assert model.observed is not None  # noqa: S101 - it was read
    rows = rows_between(model.observed.kept, items, start, end)
    rows = [one._replace(first=max(one.first, one.stop - limit)) for one in rows]
    limits: Limits = resources_of(request).limits
    columns = model.observed.kept.panel.columns
    limits.check_answer(sum(one.stop - one.first for one in rows) * len(columns))
    labels = model.observed.kept.panel.labels
    return json_response({"model_id": model.id, "items": [_written(one, columns, labels) for one in rows]})


def _written(rows: Rows, columns: tuple[str, ...], labels: Any) -> dict[str, Any]:
    part = rows.part
    values = {name: part.values[:, place] for place, name in enumerate(columns)}
    return {
        "item": part.item,
        "start_index": rows.first,
        "trained_rows": rows.trained,
        "timestamps": part.times.written() if part.times is not None else None,
        "columns": {
            name: [None if np.isnan(one) else labels[name][int(one)] for one in column] if name in labels else column
            for name, column in values.items()
        },
    }


@router.delete(
    _OF_MODEL,
    summary="Remove observations",
    responses={200: {"model": ObservationsAnswer}, **problems(404, 409, 422)},
)
async def remove(
    request: Request, model_id: ModelId, item: Items = None, start: Start = None, end: End = None
) -> Response:
    """Remove observations that were sent by mistake, from `start` to `end`.

    Rows at the end are gone; others become missing values. Values of the training cannot be removed, only corrected.
    """
    return await in_turn(request, _remove, request, model_id, None, item, start, end)


@router.delete(
    _OF_NAME,
    summary="Remove observations from the model that a name means",
    responses={200: {"model": ObservationsAnswer}, **problems(404, 409, 422)},
)
async def remove_named(
    request: Request, name: InPath, item: Items = None, start: Start = None, end: End = None
) -> Response:
    """Do what `/models/{model_id}/observations` does, for the model that the name means now."""
    return await in_turn(request, _remove, request, None, decoded_name(name), item, start, end)


def _remove(
    request: Request,
    model_id: str | None,
    name: str | None,
    items: list[str] | None,
    start: str | None,
    end: str | None,
) -> Response:
    if start is None:
        raise InvalidOption.at(("start",), "give the first time, or the number of the first row, to remove")
    resources, tenant = resources_of(request), tenant_of(request)

    def removal(kept: KeptSeries) -> Removal:
        rows = rows_between(kept, items, start, end)
        return Removal({one.series.item: (one.first, one.stop) for one in rows if one.first < one.stop})

    answer = change_meant(
        resources, tenant, model_id, name, lambda model: change_series(resources, tenant, model, removal)
    )
    return json_response(answer._asdict())


def _latest(request: Request, model_id: str | None, name: str | None) -> LoadedModel:
    resources, tenant = resources_of(request), tenant_of(request)
    return read_series(resources, tenant, load_model(resources, tenant, model_id, name))
