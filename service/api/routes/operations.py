"""Routes of the probes and metrics: /livez, /readyz and /metrics."""

from __future__ import annotations

import asyncio

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from service.api.output.openapi import problems
from service.api.output.problems import problem_response
from service.api.output.responses import json_response
from service.api.request_context import in_thread, resources_of
from service.api.schemas.jobs import Alive, Ready, ServingEngine
from service.errors import Unavailable
from service.usecases.resources import Resources
from service.usecases.service_metrics import Readiness, check_readiness, own_worker_warning


class ReadinessProbe:
    """One readiness check of database and store, shared by all requests that arrive while it runs, on one event loop.

    It runs in a thread of its own: it does not wait for the threads of other requests, and cannot exhaust them.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._running: asyncio.Task[Readiness] | None = None

    async def result(self) -> Readiness:
        """Return the result of `check_readiness`. Raises Unavailable."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="readiness")
        # Other requests may wait for the same check.
        return await asyncio.shield(self._running)

    async def _run(self) -> Readiness:
        try:
            return await to_thread.run_sync(check_readiness, self._resources, limiter=CapacityLimiter(1))
        finally:
            self._running = None


_STARTING = "the service is starting: the first start on a machine compiles its kernels, which may take a minute"

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Liveness", response_model=Alive)
async def livez() -> Alive:
    """Return 200 as long as the process runs."""
    return Alive(status="alive")


@router.get("/readyz", summary="Readiness", responses={200: {"model": Ready}, **problems(needs_key=False)})
async def readyz(request: Request) -> Response:
    """Return 200 if models can be stored and used, and trainings accepted; 503 with the reason otherwise.

    `trainers` is the number of workers that are alive. If there is none, or the server's own worker is not running,
    `warnings` says so and why; accepted trainings wait for a worker.
    """
    if request.app.state.stopping:
        return problem_response(Unavailable("the service is stopping", retry_after=1), request)
    if not request.app.state.warm.is_set():
        own = own_worker_warning(resources_of(request))
        return problem_response(Unavailable(f"{_STARTING}; {own}" if own else _STARTING, retry_after=1), request)
    probe: ReadinessProbe = request.app.state.readiness
    found = await probe.result()
    engines = [ServingEngine(engine=name, device=device) for name, device in resources_of(request).engine.engines]
    answer = Ready(status="ready", trainers=found.trainers, engines=engines, warnings=list(found.warnings))
    return json_response(answer.model_dump())


_TEXT = {"schema": {"type": "string"}, "example": 'forecast_jobs_waiting{queue="cpu"} 0.0\n'}


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format", "content": {"text/plain": _TEXT}}, **problems()},
)
async def metrics(request: Request) -> Response:
    """Return the metrics of this server for Prometheus: requests, queues, trainings, its cache, its process."""
    # Off the event loop: the state of the queues is read from the database.
    text = await in_thread(generate_latest, resources_of(request).measured.registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
