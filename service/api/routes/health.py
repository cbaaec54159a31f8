"""/livez and /readyz."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.answers import json_response
from service.api.documents import problems
from service.api.problems import problem_response
from service.api.readiness_look import ReadinessLook
from service.api.schemas.jobs import Alive, Ready
from service.api.wiring import resources_of
from service.errors import Unavailable
from service.usecases.readiness import own_trainer_warning

_STARTING = "the service is starting: the first start on a machine compiles its kernels, which may take minutes"

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Alive?", response_model=Alive)
async def livez() -> Alive:
    """Answer as long as the process runs."""
    return Alive(status="alive")


@router.get(
    "/readyz", summary="Ready?", response_model=None, responses={200: {"model": Ready}, **problems(needs_key=False)}
)
async def readyz(request: Request) -> Response:
    """Answer 200 when models can be stored and asked, and trainings accepted; 503 with the reason otherwise.

    `trainers` says how many trainers are alive. Where none is, or the server's own does not run, `warnings` says so
    and why; what is accepted waits for one.
    """
    if request.app.state.stopping:
        return problem_response(Unavailable("the service is stopping", retry_after=1), request)
    if not request.app.state.warm.is_set():
        own = own_trainer_warning(resources_of(request))
        return problem_response(Unavailable(f"{_STARTING}; {own}" if own else _STARTING, retry_after=1), request)
    look: ReadinessLook = request.app.state.readiness
    found = await look.now()
    answer = Ready(status="ready", trainers=found.trainers, warnings=list(found.warnings))
    return json_response(answer.model_dump())
