"""Everything under /jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.answers import job_answer, json_response
from service.api.documents import problems
from service.api.routes.models import Cursor, Limit
from service.api.schemas.jobs import JobAnswer, JobList
from service.api.wiring import in_thread, resources_of
from service.storage.entries import JobStatus
from service.usecases.job_control import cancel_job, list_jobs, show_job

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[str, Path(description="ID of the job.")]


@router.get("", summary="List jobs", response_model=None, responses={200: {"model": JobList}, **problems(422)})
async def list_all(
    request: Request,
    status: Annotated[JobStatus | None, Query(description="Only jobs in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """List jobs, newest first."""
    page = await in_thread(list_jobs, resources_of(request), status, cursor, limit)
    return json_response({"jobs": [job_answer(one) for one in page.entries], "next_cursor": page.next_cursor})


@router.get("/{job_id}", summary="One job", response_model=None, responses={200: {"model": JobAnswer}, **problems(404)})
async def show(request: Request, job_id: JobId) -> Response:
    """Tell the state of a job, its progress and losses so far."""
    return json_response(job_answer(await in_thread(show_job, resources_of(request), job_id)))


@router.delete(
    "/{job_id}", status_code=204, summary="Cancel a job", response_class=Response, responses=problems(404, 409)
)
async def cancel(request: Request, job_id: JobId) -> None:
    """Stop a job that waits or runs; its model becomes failed."""
    await in_thread(cancel_job, resources_of(request), job_id)
