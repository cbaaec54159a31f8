"""Routes under /models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.input.body import FILE_TYPE, media_type, parse_json, read_body, read_json_body
from service.api.input.query import WholeNumber
from service.api.output.openapi import json_body, model_links, page_links, problems
from service.api.output.responses import json_response, model_answer
from service.api.request_context import in_thread, in_turn, resources_of, tenant_of
from service.api.schemas.models import ChangeRequest, ModelAnswer, ModelList, PriorCard
from service.api.schemas.training import ModelName
from service.errors import ModelNotFound
from service.forecasting.prior.weights import read_card
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.storage.registry.entries import ModelStatus
from service.usecases.models import change_model, delete_model, export_model, keep_import, read_import

router = APIRouter(prefix="/models", tags=["models"])

ModelId = Annotated[str, Path(description="ID of the model.")]
Limit = Annotated[WholeNumber, Query(ge=1, le=500, description="Maximum number of entries on a page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the previous page.")]

_FILE = {"content": {FILE_TYPE: {"schema": {"type": "string", "format": "binary", "minLength": 1}}}}


@router.get(
    "",
    summary="List models",
    responses={200: {"model": ModelList, "links": page_links("list_all_models_get")}, **problems(422)},
)
async def list_all(
    request: Request,
    name: Annotated[str | None, Query(max_length=200, description="Only models with this name.")] = None,
    status: Annotated[ModelStatus | None, Query(description="Only models in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List models, newest first."""
    registry = resources_of(request).registry
    page = await in_thread(registry.list, tenant_of(request), name, status, cursor, limit)
    return json_response({"models": [model_answer(one) for one in page.entries], "next_cursor": page.next_cursor})


@router.post(
    "",
    status_code=201,
    summary="Upload a model file",
    openapi_extra={"requestBody": {"required": True, **_FILE}},
    responses={201: {"model": ModelAnswer, "links": model_links()}, **problems(400, 413, 415, 422)},
)
async def upload(
    request: Request,
    name: Annotated[ModelName | None, Query(description="Name of the model; by default the one in the file.")] = None,
) -> Response:
    """Store a file from `GET /models/{id}/file` as a model with a new ID; its lineage records where it came from."""
    media_type(request, FILE_TYPE)
    resources, tenant = resources_of(request), tenant_of(request)
    taken = await in_turn(request, read_import, tenant, await read_body(request), name)
    model = await in_thread(keep_import, resources, tenant, taken)
    return json_response(model_answer(model), 201, {"Location": f"/models/{model.id}"})


@router.get(
    f"/{ZERO_SHOT}",
    summary="The pre-trained prior",
    responses={200: {"model": PriorCard}, **problems()},
)
async def show_prior() -> Response:
    """Return the card of the prior, which forecasts and backtests with the model ID `zero-shot` without a training.

    It is part of the service: it is in no list, and can neither be renamed, deleted nor downloaded.
    """
    return json_response({"model_id": ZERO_SHOT, **read_card()})


@router.get(
    "/{model_id}",
    summary="One model",
    responses={200: {"model": ModelAnswer, "links": model_links()}, **problems(404)},
)
async def show(request: Request, model_id: ModelId) -> Response:
    """Return everything about a model, in any state."""
    model = await in_thread(resources_of(request).registry.get, tenant_of(request), model_id)
    return json_response(model_answer(model))


@router.patch(
    "/{model_id}",
    summary="Change a model",
    # The name that it had when it only renamed: generated clients call it by this.
    operation_id="rename_models__model_id__patch",
    openapi_extra=json_body(ChangeRequest),
    responses={200: {"model": ModelAnswer}, **problems(400, 404, 413, 415, 422)},
)
async def change(request: Request, model_id: ModelId) -> Response:
    """Rename a model, let its intervals adapt to observed values, or say when it is retrained by itself."""
    _refuse_prior(model_id, "changed")
    asked = await in_turn(request, parse_json, ChangeRequest, await read_json_body(request))
    model = await in_thread(change_model, resources_of(request), tenant_of(request), model_id, asked.changes())
    return json_response(model_answer(model))


@router.delete(
    "/{model_id}", status_code=204, summary="Delete a model", response_class=Response, responses=problems(404, 409)
)
async def delete(request: Request, model_id: ModelId) -> None:
    """Delete a model, its file and its training data; a running training is stopped.

    A model to which a name is pinned is not deleted (409): promote another one, or let the name follow the newest.
    """
    _refuse_prior(model_id, "deleted")
    await in_thread(delete_model, resources_of(request), tenant_of(request), model_id)


@router.get(
    "/{model_id}/file",
    summary="Download a model",
    response_class=Response,
    responses={200: {"description": "A safetensors file", **_FILE}, **problems(404, 409)},
)
async def download(request: Request, model_id: ModelId) -> Response:
    """Return the model as one safetensors file."""
    _refuse_prior(model_id, "downloaded")
    data = await in_thread(export_model, resources_of(request), tenant_of(request), model_id)
    headers = {"Content-Disposition": f'attachment; filename="{model_id}.safetensors"'}
    return Response(data, 200, headers, FILE_TYPE)


def _refuse_prior(model_id: str, done: str) -> None:
    if model_id == ZERO_SHOT:
        detail = f"{ZERO_SHOT} is the prior, which is part of the service and cannot be {done}"
        raise ModelNotFound(f"{detail}: name a trained model, see GET /models; GET /models/{ZERO_SHOT} describes it")
