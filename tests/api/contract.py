"""What holds for every answer of the service, whatever was asked."""

from __future__ import annotations

import math
import re
from typing import Any

import httpx
import orjson
from pydantic import BaseModel

from service.api.output.problems import TYPE_PREFIX
from service.api.schemas.forecasting import BacktestAnswer, ForecastAnswer
from service.api.schemas.jobs import Alive, JobAnswer, JobList, Problem, Ready
from service.api.schemas.models import ModelAnswer, ModelList, PriorCard
from service.api.schemas.monitoring import MonitoringAnswer
from service.api.schemas.names import NameAnswer, NameList, NameState
from service.api.schemas.observations import ObservationsAnswer, ObservationsList
from service.api.schemas.training import AcceptedTraining, DryRun

PROBLEM_TYPE = "application/problem+json"
# The only 500 that tests may cause: they damage a file, or allow a training no time.
_OUR_FAULT = {f"{TYPE_PREFIX}model-file-corrupt", f"{TYPE_PREFIX}training-failed"}
_LEAKS = re.compile(rb"Traceback|site-packages|\.py\b|/tmp/|/home/|/root/|/work/|sqlite3?\.|<class|<function")

_SCHEMAS: tuple[tuple[str, str, int, type[BaseModel]], ...] = (
    ("POST", r"/train", 200, DryRun),
    ("POST", r"/train", 201, ModelAnswer),
    ("POST", r"/train", 202, AcceptedTraining),
    ("POST", r"/(models|names)/[^/]+/retrain", 201, ModelAnswer),
    ("POST", r"/(models|names)/[^/]+/retrain", 202, AcceptedTraining),
    ("POST", r"/forecast", 200, ForecastAnswer),
    ("POST", r"/backtest", 200, BacktestAnswer),
    ("GET", r"/models", 200, ModelList),
    ("POST", r"/models", 201, ModelAnswer),
    ("GET", r"/models/zero-shot", 200, PriorCard),
    ("GET|PATCH", r"/models/\w+", 200, ModelAnswer),
    ("POST|DELETE", r"/(models|names)/[^/]+/observations", 200, ObservationsAnswer),
    ("GET", r"/(models|names)/[^/]+/observations", 200, ObservationsList),
    ("GET", r"/(models|names)/[^/]+/monitoring", 200, MonitoringAnswer),
    ("GET", r"/names", 200, NameList),
    ("POST", r"/names/.+/(promote|rollback|follow)", 200, NameState),
    ("GET", r"/names/.+", 200, NameAnswer),
    ("GET", r"/jobs", 200, JobList),
    ("GET", r"/jobs/\w+", 200, JobAnswer),
    ("GET", r"/livez", 200, Alive),
    ("GET", r"/readyz", 200, Ready),
)


def check_answer(response: httpx.Response) -> None:
    """Hold one answer to what the service promises of all of them."""
    body = response.read()
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", response.headers["X-Request-ID"])
    kind = response.headers.get("content-type", "")
    if response.request.method == "HEAD":
        assert body == b""
    elif response.status_code == 204:
        assert (kind, body) == ("", b"")
    elif response.status_code >= 400:
        _check_problem(response, kind, body)
    elif kind == "application/json" and response.request.url.path != "/openapi.json":
        check_finite(orjson.loads(body))
        _check_schema(response, body)


def schema_of(method: str, path: str, status: int) -> type[BaseModel] | None:
    """Return the documented schema of an answer, None where it has none."""
    for methods, pattern, code, schema in _SCHEMAS:
        if status == code and re.fullmatch(methods, method) and re.fullmatch(pattern, path):
            return schema
    return None


def check_finite(value: Any) -> None:
    """Fail on a number that is not finite."""
    if isinstance(value, dict):
        for one in value.values():
            check_finite(one)
    elif isinstance(value, list):
        for one in value:
            check_finite(one)
    elif isinstance(value, float):
        assert math.isfinite(value)


def problem_of(
    response: httpx.Response, status: int, slug: str, pointer: str | None = None, contains: str | None = None
) -> dict[str, Any]:
    """Fail unless the answer is this problem, at this place of the request, with a detail that matches; return it."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["type"]) == (status, TYPE_PREFIX + slug), body
    pointers = [fault["pointer"] for fault in body.get("errors", [])]
    if pointer is not None:
        assert pointer in pointers, body
    told = " ".join([body["detail"], *(fault["detail"] for fault in body.get("errors", []))])
    if contains is not None:
        assert re.search(contains, told), told
    return body


def _check_problem(response: httpx.Response, kind: str, body: bytes) -> None:
    assert kind == PROBLEM_TYPE, body
    assert not _LEAKS.search(body), body
    problem = Problem.model_validate_json(body, strict=True)
    assert problem.status == response.status_code
    assert problem.type.startswith(TYPE_PREFIX)
    assert problem.title
    assert problem.detail
    assert problem.request_id == response.headers["X-Request-ID"]
    assert response.status_code < 500 or response.status_code == 503 or problem.type in _OUR_FAULT, body
    assert response.status_code != 503 or int(response.headers["Retry-After"]) > 0


def _check_schema(response: httpx.Response, body: bytes) -> None:
    request = response.request
    schema = schema_of(request.method, request.url.path, response.status_code)
    assert schema is not None, f"{request.method} {request.url.path} answers {response.status_code} undocumented"
    schema.model_validate_json(body, strict=True)
    assert set(orjson.loads(body)) <= set(schema.model_fields), "fields that the document does not have"
