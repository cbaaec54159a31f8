"""POST /train."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service.api.input.body import PARQUET_TYPE
from service.api.input.training_request import LONGEST_KEY, read_training_request
from service.api.output.answers import job_answer, json_response, model_answer
from service.api.output.openapi import job_links, model_links, problems, schema_of
from service.api.output.problems import problem_response
from service.api.request_context import forget_body, in_thread, resources_of, tenant_of
from service.api.schemas.models import ModelAnswer
from service.api.schemas.training import AcceptedTraining, DryRun, TrainRequest
from service.errors import ModelFailed, ServiceError, Unavailable
from service.storage.registry.entries import JobEntry
from service.tables.number_marks import DECIMAL_MARKS, THOUSANDS_MARKS
from service.tables.separators import SEPARATORS
from service.usecases.context import Resources
from service.usecases.jobs import show_job
from service.usecases.models import show_model
from service.usecases.service_metrics import training_warnings
from service.usecases.train import plan, submit_training, try_out

router = APIRouter(tags=["training"])

LONGEST_WAIT = 300
_POLL_SECONDS = 0.2
_LINKS = {**model_links(), **job_links()}
_RETRY_AFTER = {"Retry-After": "1"}

_CSV_EXAMPLE = "date,units\n" + "".join(f"2024-01-{day:02d},{10 + day % 7}\n" for day in range(1, 32))
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": schema_of(TrainRequest),
            "text/csv": {
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "description": "A header row, then one row per time (and item).",
                },
                "example": _CSV_EXAMPLE,
            },
            PARQUET_TYPE: {"schema": {"type": "string", "format": "binary", "minLength": 1}},
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
            "description": "Made up by the client: the same key with the same body and query, to the byte, answers the "
            "same job for 24 hours, however often it is sent",
        },
        *(
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": schema,
                "description": f"{description} (CSV and Parquet only)",
            }
            for name, schema, description in (
                ("time", {"type": "string"}, "Column of the times; found by its name or its cells where left out"),
                (
                    "target",
                    {"type": "array", "items": {"type": "string"}},
                    "Column to forecast; repeat for several. Where left out: y, else the only column of numbers "
                    "whose name and cells do not say time",
                ),
                ("covariates", {"type": "array", "items": {"type": "string"}}, "Past covariate; repeat for several"),
                (
                    "future_covariates",
                    {"type": "array", "items": {"type": "string"}},
                    "Column known ahead, such as a price; repeat for several",
                ),
                ("item", {"type": "string"}, "Column that says which item a row belongs to"),
                (
                    "date_format",
                    {"type": "string"},
                    "strptime pattern, for dates that can be read two ways or not at all",
                ),
                ("freq", {"type": "string"}, "Frequency alias; found where it is left out"),
                (
                    "separator",
                    {"type": "string", "enum": sorted(SEPARATORS)},
                    "Column separator; found where left out; not for Parquet",
                ),
                (
                    "decimal",
                    {"type": "string", "enum": sorted(DECIMAL_MARKS)},
                    "Decimal mark of numbers; found where left out, and asked for where 1.005 can be 1.005 or 1005; "
                    "not for Parquet",
                ),
                (
                    "thousands",
                    {"type": "string", "enum": sorted(THOUSANDS_MARKS)},
                    "Mark between thousands; a point or comma that is not the decimal mark is found, others are given "
                    "here; not for Parquet",
                ),
            )
        ),
    ],
}


@router.post(
    "/train",
    status_code=201,
    summary="Train a model on a series",
    openapi_extra=_BODY,
    response_model=None,
    responses={
        200: {"model": DryRun, "description": "With dry_run: what would be chosen; nothing was trained"},
        201: {"model": ModelAnswer, "description": "The model is ready", "links": _LINKS},
        202: {
            "model": AcceptedTraining,
            "description": "Still training: ask the job in `Location`",
            "links": _LINKS,
        },
        **problems(400, 404, 409, 413, 415, 422),
    },
)
async def train(
    request: Request,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the model.")] = 30,
    dry_run: Annotated[bool, Query(description="Only tell what would be chosen.")] = False,
) -> Response:
    """Train on the series in the body and wait for the model up to `wait` seconds; then return 202.

    Everything but `series` is optional: options that are left out are chosen from the data, and `configuration` says
    how. With `text/csv`, or Parquet if the server has the extra for it, options are dotted query parameters:
    `?target=units&training.epochs=50`. With an `Idempotency-Key` header, a retried request returns the first one's job.
    """
    resources, tenant = resources_of(request), tenant_of(request)
    if dry_run:
        asked, decided = await read_training_request(request, try_out)
        return json_response(_dry_run(asked.series, decided, asked.warnings))
    submitted = await in_thread(submit_training, resources, tenant, *await read_training_request(request, plan))
    forget_body(request)
    job = await _wait_for(request, submitted, wait)
    if not job.has_ended:
        return await _accepted(resources, job)
    if job.status == "succeeded":
        model = await in_thread(show_model, resources, tenant, job.model_id)
        return json_response(model_answer(model), 201, {"Location": f"/models/{model.id}"})
    error = ServiceError.from_record(job.error) if job.error else ModelFailed("the training was cancelled")
    return problem_response(error, request, job_id=job.id, model_id=job.model_id)


async def _accepted(resources: Resources, job: JobEntry) -> Response:
    answer = job_answer(job)
    body = {name: answer[name] for name in ("job_id", "model_id", "status", "links")}
    body["warnings"] = []
    # The job is accepted, even if the database is unreachable now.
    with suppress(Unavailable):
        body["warnings"] = list(await in_thread(training_warnings, resources))
    return json_response(body, 202, {"Location": answer["links"]["self"], **_RETRY_AFTER})


async def _wait_for(request: Request, job: JobEntry, seconds: float) -> JobEntry:
    """Poll the job until it has ended, ``seconds`` have passed or the server stops; return its last known state."""
    deadline = time.monotonic() + seconds
    resources = resources_of(request)
    with resources.ends.watch(job.id) as ended:
        while True:
            # The job is accepted, even if the database is unreachable now; after an error, it would be sent again.
            with suppress(Unavailable):
                job = await in_thread(show_job, resources, job.tenant, job.id)
            left = deadline - time.monotonic()
            if job.has_ended or left <= 0 or request.app.state.stopping:
                return job
            await ended(min(_POLL_SECONDS, left))


def _dry_run(series: dict[str, Any], decided: Any, warnings: tuple[str, ...]) -> dict[str, Any]:
    return {
        "series": series,
        "configuration": decided.configuration(),
        "min_history": decided.min_history,
        "warnings": [*warnings, *decided.notices],
    }
