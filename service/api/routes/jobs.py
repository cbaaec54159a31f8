"""Routes under /jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field

from service.api.input.query import WholeNumber
from service.api.output.events import MEDIA_TYPE, EventStream, job_events
from service.api.output.openapi import job_links, model_links, page_links, problems
from service.api.output.responses import job_answer, json_response
from service.api.request_context import in_thread, resources_of, tenant_of
from service.api.routes.models import Cursor, Limit
from service.api.schemas.jobs import JobAnswer, JobList
from service.storage.registry.entries import JobStatus
from service.usecases.train import cancel_training

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[str, Path(description="ID of the job.")]
# The bounds of a revision in the database.
Revision = Annotated[WholeNumber, Field(ge=0, le=2**31 - 1)]
_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "event": {"enum": ["progress", "end"]},
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "retry": {"type": "integer"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobAnswer"},
        },
    },
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress`, then one `end`; the data of each is the response of `GET /jobs/{job_id}`",
        "content": {
            MEDIA_TYPE: {
                # Of each event: https://spec.openapis.org/oas/v3.2.0#media-type-object, as 3.1 has no field for it.
                "itemSchema": _EVENT,
                "example": 'event: progress\nid: 4\ndata: {"status": "running", "progress": {"fraction": 0.25}}\n\n',
            }
        },
    },
    204: {"description": "The job has ended, and the client has received its last event: do not reconnect"},
}


@router.get(
    "",
    summary="List jobs",
    responses={200: {"model": JobList, "links": page_links("list_all_jobs_get")}, **problems(422)},
)
async def list_all(
    request: Request,
    status: Annotated[JobStatus | None, Query(description="Only jobs in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List jobs, newest first."""
    page = await in_thread(
        resources_of(request).registry.jobs.list, tenant_of(request), status=status, cursor=cursor, limit=limit
    )
    return json_response({"jobs": [job_answer(one) for one in page.entries], "next_cursor": page.next_cursor})


@router.get(
    "/{job_id}",
    summary="One job",
    responses={200: {"model": JobAnswer, "links": {**job_links(), **model_links()}}, **problems(404)},
)
async def show(request: Request, job_id: JobId) -> Response:
    """Return the state of a job, its progress and losses so far."""
    job = await in_thread(resources_of(request).registry.jobs.get, tenant_of(request), job_id)
    return json_response(job_answer(job))


@router.get(
    "/{job_id}/events",
    status_code=200,
    summary="Watch a job",
    response_class=Response,
    responses={**_EVENTS, **problems(404, 422)},
)
async def events(
    request: Request,
    job_id: JobId,
    sent: Annotated[
        Revision | None, Header(alias="Last-Event-ID", description="`id` of the last received event.")
    ] = None,
    last_event_id: Annotated[Revision | None, Query(description="The same, if headers cannot be set.")] = None,
) -> Response:
    """Stream a job as server-sent events: its current state, each change, and its end, which ends the stream.

    A client that reconnects with the `id` of the last event continues from there, as `EventSource` does by itself, on
    any server. While nothing changes, a comment is sent every 15 seconds.
    """
    resources = resources_of(request)
    seen = sent if sent is not None else last_event_id
    job = await in_thread(resources.registry.jobs.get, tenant_of(request), job_id)
    if job.has_ended and job.revision == seen:
        return Response(status_code=204)
    resources.watch.require_room()
    return EventStream(job_events(resources.watch, job, seen, lambda: request.app.state.stopping))


@router.delete(
    "/{job_id}", status_code=204, summary="Cancel a job", response_class=Response, responses=problems(404, 409)
)
async def cancel(request: Request, job_id: JobId) -> None:
    """Stop a queued or running job; its model becomes failed."""
    await in_thread(cancel_training, resources_of(request), tenant_of(request), job_id)
