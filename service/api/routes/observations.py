"""Routes under /models/{model_id}/observations."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response

from service.api.input.body import CSV_TYPE, PARQUET_TYPE
from service.api.input.observations_request import read_observations_request
from service.api.input.observed_rows import Rows, rows_between
from service.api.input.query import WholeNumber
from service.api.output.openapi import parameter, problems, schema_of
from service.api.output.responses import json_response
from service.api.request_context import forget_body, in_turn, load_of, resources_of, tenant_of
from service.api.schemas.observations import ObservationsAnswer, ObservationsList, ObservationsRequest
from service.errors import InvalidOption
from service.forecasting.observations.changes import Removal
from service.tables.excel import XLSX_TYPE
from service.usecases.forecast import LoadedModel, load_model, read_series
from service.usecases.limits import Limits
from service.usecases.observations import change_series

router = APIRouter(prefix="/models/{model_id}/observations", tags=["observations"])

ModelId = Annotated[str, Path(description="ID of the model.")]
Items = Annotated[
    list[str] | None, Query(alias="item", description="ID of an item; repeat for several. By default all.")
]
Start = Annotated[
    str | None, Query(max_length=64, description="First time; without times, the number of the first row.")
]
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
        *(
            parameter(name, "query", _TEXT, f"{text} (tables only)")
            for name, text in (
                ("time", "Column of the times; by default detected"),
                ("item", "Column that identifies the item of a row; repeat for several"),
                ("target", "Column of the values; by default those of the model"),
                ("replace", "As in JSON"),
                ("start_index", "As in JSON, a number"),
            )
        ),
    ],
}


@router.post(
    "",
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
    load_of(request).check_room()
    asked = await read_observations_request(request)
    answer = await in_turn(request, asked.apply, resources_of(request), tenant_of(request), model_id)
    forget_body(request)
    return json_response(answer)


@router.get("", summary="Read observations", responses={200: {"model": ObservationsList}, **problems(404, 409, 422)})
async def show(
    request: Request,
    model_id: ModelId,
    item: Items = None,
    start: Start = None,
    end: End = None,
    limit: Annotated[WholeNumber, Query(ge=1, le=100_000, description="Most rows of each item, the latest.")] = 1000,
) -> Response:
    """Return the values since the training, or those that the model keeps from `start` on."""
    return await in_turn(request, _show, request, model_id, item, start, end, limit)


def _show(
    request: Request, model_id: str, items: list[str] | None, start: str | None, end: str | None, limit: int
) -> Response:
    model = _latest(request, model_id)
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
    "",
    summary="Remove observations",
    responses={200: {"model": ObservationsAnswer}, **problems(404, 409, 422)},
)
async def remove(
    request: Request, model_id: ModelId, item: Items = None, start: Start = None, end: End = None
) -> Response:
    """Remove observations that were sent by mistake, from `start` to `end`.

    Rows at the end are gone; others become missing values. Values of the training cannot be removed, only corrected.
    """
    return await in_turn(request, _remove, request, model_id, item, start, end)


def _remove(request: Request, model_id: str, items: list[str] | None, start: str | None, end: str | None) -> Response:
    if start is None:
        raise InvalidOption.at(("start",), "give the first time, or the number of the first row, to remove")
    model = load_model(resources_of(request), tenant_of(request), model_id, None)
    answer = change_series(
        resources_of(request),
        tenant_of(request),
        model,
        lambda kept: Removal(
            {
                one.series.item: (one.first, one.stop)
                for one in rows_between(kept, items, start, end)
                if one.first < one.stop
            }
        ),
    )
    return json_response(answer._asdict())


def _latest(request: Request, model_id: str) -> LoadedModel:
    resources, tenant = resources_of(request), tenant_of(request)
    return read_series(resources, tenant, load_model(resources, tenant, model_id, None))
