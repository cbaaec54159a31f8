"""Routes under /names."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ValidationError

from service.api.input.body import parse_json, read_json_body
from service.api.input.query import WholeNumber
from service.api.name_paths import decoded_name
from service.api.output.openapi import json_body, model_links, page_links, problems
from service.api.output.problems import invalid
from service.api.output.responses import json_response, name_answer, name_state
from service.api.request_context import author_of, in_thread, resources_of, tenant_of
from service.api.routes.models import Cursor, Limit
from service.api.schemas.names import NameAnswer, NameList, NameState, NewName, PromoteRequest

router = APIRouter(prefix="/names", tags=["names"])

InPath = Annotated[
    str, Path(description="The name; each character that is not a letter or digit percent-encoded: `a%2Fb` is `a/b`.")
]
Revision = Annotated[
    WholeNumber | None,
    Query(
        ge=0,
        le=2**31 - 1,
        description="Only if the name still has this `revision`, else 409: two people who send the same move it once.",
    ),
]
# Names of 200 characters, each of four bytes.
_LONGEST_CURSOR = 1200


@router.get(
    "",
    summary="List names",
    responses={200: {"model": NameList, "links": page_links("list_all_names_get")}, **problems(422)},
)
async def list_all(
    request: Request,
    model_id: Annotated[str | None, Query(max_length=64, description="Only names that mean this model.")] = None,
    cursor: Annotated[
        str | None, Query(max_length=_LONGEST_CURSOR, description="`next_cursor` of the previous page.")
    ] = None,
    limit: Limit = 50,
) -> Response:
    """List the names of ready models and those that were moved, in alphabetical order, and what they mean."""
    page = await in_thread(resources_of(request).registry.names.list, tenant_of(request), model_id, cursor, limit)
    return json_response({"names": [name_state(one) for one in page.entries], "next_cursor": page.next_cursor})


@router.get(
    "/{name}",
    summary="One name",
    responses={200: {"model": NameAnswer, "links": model_links()}, **problems(404, 422)},
)
async def show(request: Request, name: InPath, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Return what a name means, and its moves, newest first.

    A name means the newest ready model that has it, until it is pinned to one; `limit` and `cursor` are those of the
    moves.
    """
    names = resources_of(request).registry.names
    found = await in_thread(names.get, tenant_of(request), decoded_name(name), cursor, limit)
    return json_response(name_answer(*found))


@router.post(
    "/{name}/promote",
    summary="Pin a name to a model",
    openapi_extra=json_body(PromoteRequest),
    responses={200: {"model": NameState, "links": model_links()}, **problems(400, 404, 409, 413, 415, 422)},
)
async def promote(request: Request, name: InPath, revision: Revision = None) -> Response:
    """Let a name mean this ready model from now on, whatever is trained later; the model may have any name.

    Nothing changes if it does so already.
    """
    asked = parse_json(PromoteRequest, await read_json_body(request))
    resources, sent = resources_of(request), decoded_name(name)
    try:
        checked = NewName(name=sent).name
    except ValidationError as error:
        raise invalid(error, lambda: {"name": sent}) from None
    names, bounds = resources.registry.names, resources.limits.names
    by = author_of(request)
    entry = await in_thread(names.promote, tenant_of(request), checked, asked.model_id, by, bounds, revision)
    return json_response(name_state(entry))


@router.post(
    "/{name}/rollback",
    summary="Roll a name back",
    responses={200: {"model": NameState, "links": model_links()}, **problems(404, 409, 422)},
)
async def rollback(request: Request, name: InPath, revision: Revision = None) -> Response:
    """Let a name mean what it meant before its last move.

    Each further rollback undoes one move more. If the name follows its newest model, and that has become ready since,
    the name is pinned to the one that it meant before.
    """
    names, bounds = resources_of(request).registry.names, resources_of(request).limits.names
    moved, by = decoded_name(name), author_of(request)
    entry = await in_thread(names.rollback, tenant_of(request), moved, by, bounds, revision)
    return json_response(name_state(entry))


@router.post(
    "/{name}/follow",
    summary="Let a name follow its newest model",
    responses={200: {"model": NameState, "links": model_links()}, **problems(404, 409, 422)},
)
async def follow(request: Request, name: InPath, revision: Revision = None) -> Response:
    """Let a name mean the newest ready model that has it again, as all names do by default.

    Nothing changes if it does so already.
    """
    names, bounds = resources_of(request).registry.names, resources_of(request).limits.names
    moved, by = decoded_name(name), author_of(request)
    entry = await in_thread(names.follow, tenant_of(request), moved, by, bounds, revision)
    return json_response(name_state(entry))
