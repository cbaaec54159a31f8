"""POST /models/{model_id}/retrain, and the same for the model that a name means."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response

from service.api.input.body import JSON_TYPE, idempotency_of, media_type, parse_json, read_body
from service.api.name_paths import decoded_name
from service.api.output.openapi import job_links, json_body, model_links, problems
from service.api.request_context import forget_body, in_turn, load_of, resources_of, tenant_of
from service.api.routes.models import ModelId
from service.api.routes.names import InPath
from service.api.routes.training import KEY_PARAMETER, Wait, answer_of
from service.api.schemas.models import ModelAnswer
from service.api.schemas.training import AcceptedTraining, RetrainRequest
from service.usecases.maintenance.retraining import submit_retraining

router = APIRouter(tags=["training"])

_LINKS = {**model_links(), **job_links()}
_RESPONSES = {
    201: {"model": ModelAnswer, "description": "The child is ready", "links": _LINKS},
    202: {"model": AcceptedTraining, "description": "Still training: poll the job in `Location`", "links": _LINKS},
    **problems(400, 404, 409, 413, 415, 422),
}
_BODY = {**json_body(RetrainRequest, required=False), "parameters": [KEY_PARAMETER]}


@router.post(
    "/models/{model_id}/retrain",
    status_code=201,
    summary="Retrain a model on what was observed",
    openapi_extra=_BODY,
    responses=_RESPONSES,
)
async def retrain(request: Request, model_id: ModelId, wait: Wait = 30) -> Response:
    """Train a child with the same options and name on everything that the model knows, and compare the two.

    The better one on the newest values, which neither was fitted on then, is the `champion`, and what names that follow
    mean; `lineage` has the verdict. The child continues with all observations. A model is retrained once at a time, and
    only the champion of its line is. Waits for the child up to `wait` seconds; then returns 202.
    """
    return await _retrain(request, model_id, None, wait)


@router.post(
    "/names/{name}/retrain",
    status_code=201,
    summary="Retrain the model that a name means",
    openapi_extra=_BODY,
    responses=_RESPONSES,
)
async def retrain_named(request: Request, name: InPath, wait: Wait = 30) -> Response:
    """Do the same with the model that a name means."""
    return await _retrain(request, None, decoded_name(name), wait)


async def _retrain(request: Request, model_id: str | None, name: str | None, wait: float) -> Response:
    load_of(request).check_room()
    body = await read_body(request, required=False)
    if body:
        media_type(request, JSON_TYPE)
    asked, key = parse_json(RetrainRequest, body or b"{}"), idempotency_of(request, body)
    if key is not None:
        # The path is part of the request.
        place = f"retrain\0{model_id or ''}\0{name or ''}\0{key[1]}"
        key = key[0], hashlib.sha256(place.encode()).hexdigest()
    resources, tenant = resources_of(request), tenant_of(request)
    submitted = await in_turn(
        request, submit_retraining, resources, tenant, model_id, name, asked.start, "request", key
    )
    forget_body(request)
    return await answer_of(request, submitted, wait)
