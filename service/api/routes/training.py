"""POST /train."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from service.api.input.body import LONGEST_KEY, PARQUET_TYPE
from service.api.input.training_request import read_training_request
from service.api.output.openapi import job_links, model_links, parameter, problems, schema_of
from service.api.output.problems import problem_response
from service.api.output.responses import job_answer, json_response, model_answer
from service.api.request_context import forget_body, in_thread, resources_of, tenant_of
from service.api.schemas.models import ModelAnswer
from service.api.schemas.training import AcceptedTraining, DryRun, TrainRequest
from service.errors import ModelFailed, ServiceError, Unavailable
from service.storage.registry.entries import JobEntry
from service.tables.csv_table import SEPARATORS
from service.tables.excel import XLSX_TYPE
from service.tables.number_format import DECIMAL_MARKS, THOUSANDS_MARKS
from service.usecases.resources import Resources
from service.usecases.service_metrics import worker_state
from service.usecases.train import plan, submit_training, try_out

router = APIRouter(tags=["training"])

LONGEST_WAIT = 300
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for the model.")]
# How soon a waiting request notices that the server is stopping.
_STOP_SECONDS = 0.2
_LINKS = {**model_links(), **job_links()}

_CSV_EXAMPLE = "date,units\n" + "".join(f"2024-01-{day:02d},{10 + day % 7}\n" for day in range(1, 32))
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_KEY = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}
_KEY_DESCRIPTION = (
    "Chosen by the client: for 24 hours, requests with the same key, body and query, to the byte, return the same job"
)
TABLE_PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "time": (_TEXT, "Column of the times; by default detected from its name or cells"),
    "target": (
        _TEXTS,
        "Column to forecast; repeat for several. By default y, else the only numeric column that does not contain "
        "times, by its name and cells",
    ),
    "covariates": (_TEXTS, "Past covariate; repeat for several"),
    "future_covariates": (_TEXTS, "Future covariate, such as a price; repeat for several"),
    "item": (_TEXTS, "Column that identifies the item of a row; repeat, or separate by commas, for several"),
    "date_format": (_TEXT, "strptime pattern, for dates that are ambiguous or in an unknown form"),
    "freq": (_TEXT, "Frequency alias; by default detected"),
    "separator": ({**_TEXT, "enum": sorted(SEPARATORS)}, "Column separator; by default detected; not for Parquet"),
    "decimal": (
        {**_TEXT, "enum": sorted(DECIMAL_MARKS)},
        "Decimal mark of numbers; by default detected, and required if 1.005 may be 1.005 or 1005; not for Parquet",
    ),
    "thousands": (
        {**_TEXT, "enum": sorted(THOUSANDS_MARKS)},
        "Thousands mark; a point or comma that is not the decimal mark is detected, others must be given; not for "
        "Parquet",
    ),
}

KEY_PARAMETER = parameter("Idempotency-Key", "header", _KEY, _KEY_DESCRIPTION)

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": schema_of(TrainRequest),
            "text/csv": {
                "schema": {**_TEXT, "minLength": 1, "description": "A header row, then one row per time (and item)."},
                "example": _CSV_EXAMPLE,
            },
            PARQUET_TYPE: {"schema": {**_TEXT, "format": "binary", "minLength": 1}},
            XLSX_TYPE: {"schema": {**_TEXT, "format": "binary", "minLength": 1}},
        },
    },
    "parameters": [
        KEY_PARAMETER,
        *(
            parameter(name, "query", schema, f"{description} (tables only)")
            for name, (schema, description) in TABLE_PARAMETERS.items()
        ),
    ],
}


@router.post(
    "/train",
    status_code=201,
    summary="Train a model on a series",
    openapi_extra=_BODY,
    responses={
        200: {"model": DryRun, "description": "With dry_run: the options that would be used; nothing was trained"},
        201: {"model": ModelAnswer, "description": "The model is ready", "links": _LINKS},
        202: {"model": AcceptedTraining, "description": "Still training: poll the job in `Location`", "links": _LINKS},
        **problems(400, 404, 409, 413, 415, 422),
    },
)
async def train(
    request: Request,
    wait: Wait = 30,
    dry_run: Annotated[bool, Query(description="Return the options that would be used, without training.")] = False,
) -> Response:
    """Train on the series in the body and wait for the model up to `wait` seconds; then return 202.

    Everything but `series` is optional: options that are left out are chosen from the data, and `configuration` says
    how. With `text/csv`, or Excel or Parquet if the server has the extra for it, options are dotted query parameters:
    `?target=units&training.epochs=50`. With an `Idempotency-Key` header, a retried request returns the first one's job.
    """
    resources, tenant = resources_of(request), tenant_of(request)
    if dry_run:
        asked, decided = await read_training_request(request, try_out)
        answer = DryRun(
            series=asked.series,
            configuration=decided.configuration(),
            min_history=decided.min_history,
            warnings=[*asked.warnings, *decided.notices],
        )
        return json_response(answer.model_dump())
    submitted = await in_thread(submit_training, resources, tenant, *await read_training_request(request, plan))
    forget_body(request)
    return await answer_of(request, submitted, wait)


async def answer_of(request: Request, submitted: JobEntry, wait: float) -> Response:
    """Wait for a training up to ``wait`` seconds; return the model, the job that continues, or why it failed."""
    resources, tenant = resources_of(request), tenant_of(request)
    job = await _wait_for(request, submitted, wait)
    if not job.has_ended:
        return await _accepted(resources, job)
    if job.status == "succeeded":
        model = await in_thread(resources.registry.get, tenant, job.model_id)
        return json_response(model_answer(model), 201, {"Location": f"/models/{model.id}"})
    error = ServiceError.from_record(job.error) if job.error else ModelFailed("the training was cancelled")
    return problem_response(error, request, job_id=job.id, model_id=job.model_id)


async def _accepted(resources: Resources, job: JobEntry) -> Response:
    answer = job_answer(job)
    body = {name: answer[name] for name in ("job_id", "model_id", "status", "links")}
    body["warnings"] = []
    # The job is accepted, even if the database is unreachable now.
    with suppress(Unavailable):
        body["warnings"] = list((await in_thread(worker_state, resources)).warnings)
    return json_response(body, 202, {"Location": answer["links"]["self"], "Retry-After": "1"})


async def _wait_for(request: Request, job: JobEntry, seconds: float) -> JobEntry:
    """Wait until the job has ended, ``seconds`` have passed or the server stops; return its last known state."""
    deadline = time.monotonic() + seconds
    resources = resources_of(request)
    with resources.watch.following(job, job.revision, is_stream=False) as watcher:
        while not job.has_ended and (left := deadline - time.monotonic()) > 0 and not request.app.state.stopping:
            # The job is accepted, even if the database is unreachable now; after an error, it would be sent again.
            with suppress(Unavailable):
                job = await watcher.next(min(_STOP_SECONDS, left)) or job
    if seconds and not job.has_ended and not request.app.state.stopping:
        with suppress(Unavailable):  # it may have ended since the last poll
            job = await in_thread(resources.registry.jobs.get, tenant_of(request), job.id)
    return job
