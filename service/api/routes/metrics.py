"""GET /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.documents import problems
from service.api.wiring import in_thread, resources_of
from service.telemetry.metrics import CONTENT_TYPE, exposition

router = APIRouter(tags=["health"])

_EXAMPLE = 'forecast_jobs_waiting{queue="cpu"} 0.0\n'
_TEXT = {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}}


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    response_model=None,
    responses={200: {"description": "Prometheus' text format", **_TEXT}, **problems()},
)
async def metrics(request: Request) -> Response:
    """Tell what this server measures, for Prometheus: requests, queues, trainings, its cache, its process."""
    # Off the event loop: the database is asked for its queues.
    text = await in_thread(exposition, resources_of(request).measured.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})
