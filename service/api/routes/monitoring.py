"""Routes /models/{model_id}/monitoring, and the same for the model that a name means."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service.api.input.query import WholeNumber
from service.api.name_paths import decoded_name
from service.api.output.openapi import problems
from service.api.output.responses import json_response
from service.api.request_context import in_turn, resources_of, tenant_of
from service.api.routes.names import InPath
from service.api.routes.observations import ModelId
from service.api.schemas.monitoring import MonitoringAnswer as Answer
from service.forecasting.intervals.conformal import level_key
from service.tables.item_ids import LONGEST_ID
from service.usecases.maintenance.monitor_model import MOST_CHART_ROWS, MonitoringAnswer, RecentForecasts, monitor_model

router = APIRouter(tags=["observations"])

Item = Annotated[
    str | None,
    Query(
        max_length=LONGEST_ID,
        description="Item whose recent forecasts are shown; by default one that has changed, or the first one.",
    ),
]
Target = Annotated[
    str | None, Query(max_length=200, description="Target whose recent forecasts are shown; by default the first one.")
]
Limit = Annotated[
    WholeNumber, Query(ge=1, le=MOST_CHART_ROWS, description="Most rows of recent forecasts, the latest.")
]
# The most items of an answer.
_MOST_ITEMS = 20


@router.get(
    "/models/{model_id}/monitoring",
    summary="How good the forecasts were",
    responses={200: {"model": Answer}, **problems(404, 409, 422)},
)
async def show(
    request: Request, model_id: ModelId, item: Item = None, target: Target = None, limit: Limit = 100
) -> Response:
    """Score the forecasts that the model would have given of its observations, and say whether its series has changed.

    Each observed row is compared with the forecasts from the rows before it, so no forecast need have been requested.
    At most 2,000 rows of an item are scored, and 5,000 over all items, the newest ones; at most 48 steps ahead.
    """
    return await in_turn(request, _show, request, model_id, None, item, target, limit)


@router.get(
    "/names/{name}/monitoring",
    summary="How good the forecasts of the model that a name means were",
    responses={200: {"model": Answer}, **problems(404, 409, 422)},
)
async def show_named(
    request: Request, name: InPath, item: Item = None, target: Target = None, limit: Limit = 100
) -> Response:
    """Do what `/models/{model_id}/monitoring` does, for the model that the name means now."""
    return await in_turn(request, _show, request, None, decoded_name(name), item, target, limit)


def _show(
    request: Request, model_id: str | None, name: str | None, item: str | None, target: str | None, limit: int
) -> Response:
    answer = monitor_model(resources_of(request), tenant_of(request), model_id, name, item, target, limit)
    return json_response(_content(answer))


def _content(answer: MonitoringAnswer) -> dict[str, Any]:
    found = answer.monitoring
    listed = sorted(found.items, key=lambda one: (one.alarm is None, -(one.scores.mase or 0.0)))
    return {
        "model_id": answer.model_id,
        "series_revision": answer.revision,
        "status": found.status,
        "since": found.since,
        "reason": found.reason,
        "rows": found.rows,
        "horizon": found.horizon,
        "windows": [asdict(one) for one in found.windows],
        "items": [
            {
                "item": one.item.series.item,
                "is_new": one.item.is_new,
                "since": one.since,
                "scores": asdict(one.scores),
            }
            for one in listed[:_MOST_ITEMS]
        ],
        "items_scored": len(found.items),
        "items_changed": sum(one.alarm is not None for one in found.items),
        "items_not_scored": found.not_scored,
        "training": answer.validation
        and {name: answer.validation.get(name) for name in ("mae", "rmse", "mase", "skill", "coverage")},
        "recent": answer.recent and _recent(answer.recent, answer.targets[answer.recent.target]),
    }


def _recent(recent: RecentForecasts, target: str) -> dict[str, Any]:
    item, column, due = recent
    first = int(due.origins[0]) + 1
    times = item.series.times
    return {
        "item": item.series.item,
        "target": target,
        "start_index": item.offset + first,
        "timestamps": None if times is None else times.slice(first, first + len(due.origins)).written(),
        "actual": due.actual[:, 0, column],
        "mean": due.mean[:, 0, column],
        "intervals": {
            level_key(level): {"lower": low[:, 0, column], "upper": high[:, 0, column]}
            for level, (low, high) in due.bounds.items()
        },
    }
