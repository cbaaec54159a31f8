"""Parts of the OpenAPI document that the routes share."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.output.problems import MEDIA_TYPE
from service.api.schemas.forecasting import BacktestRequest, ForecastRequest
from service.api.schemas.jobs import Problem
from service.api.schemas.models import ChangeRequest
from service.api.schemas.names import PromoteRequest
from service.api.schemas.observations import ObservationsOfModel, ObservationsRequest
from service.api.schemas.training import RetrainRequest, TrainRequest
from service.api.security.permissions import is_open

NDJSON_TYPE = "application/x-ndjson"
_REF = "#/components/schemas/{model}"
_READ_BY_HAND: tuple[type[BaseModel], ...] = (
    TrainRequest,
    ForecastRequest,
    BacktestRequest,
    ObservationsRequest,
    ObservationsOfModel,
    ChangeRequest,
    RetrainRequest,
    PromoteRequest,
    Problem,
)
_MEANINGS = {
    400: "The body cannot be read",
    401: "The server has keys, and the request has none of them, or several",
    403: "The key's role does not allow this; or, without keys, the request is from a page of another origin",
    404: "Does not exist, or was deleted",
    405: "The route does not take this method",
    409: "Not possible in this state; with Retry-After: not yet",
    413: "The body is too large",
    415: "The content type is not supported",
    422: "The request has values that cannot be used",
    421: "The server has no keys and is addressed by a name that is not its own",
    429: "The key exceeds its request rate, or its tenant has too many unfinished trainings; see Retry-After",
    500: "A bug, or a stored model is damaged",
    503: "Too many requests at once, or a part of the service is not available; see Retry-After",
}


def problems(*statuses: int, needs_key: bool = True) -> dict[int | str, dict[str, Any]]:
    """Document the problems that a route returns; needs_key: False for routes that are open to everybody."""
    of_all = (401, 403, 421, 429, 500, 503) if needs_key else (500, 503)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in (*statuses, *of_all)}


def json_body(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """Document a JSON body that the route parses from the raw bytes."""
    return {"requestBody": {"required": required, "content": {"application/json": schema_of(model)}}}


def json_lines(model: type[BaseModel]) -> dict[str, Any]:
    """Document a body of lines of JSON, https://github.com/ndjson/ndjson-spec."""
    return {"requestBody": {"required": True, "content": {NDJSON_TYPE: {"schema": schema_of(model)["schema"]}}}}


def answered_lines(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Document an answer of lines of JSON, each of this model or a problem."""
    schemas = [{"$ref": _REF.format(model=name)} for name in (model.__name__, "Problem")]
    content = {NDJSON_TYPE: {"schema": {"anyOf": schemas}}}
    return {200: {"description": "A line for each line: its answer, or a problem", "content": content}}


def parameter(name: str, place: Literal["query", "header"], schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Document an optional parameter that the route reads itself; text: its description."""
    return {"name": name, "in": place, "required": False, "schema": schema, "description": text}


_REPEATS = (
    "Optional; repeats the body's, so that a proxy which hashes by it sends all requests for a model to one server."
)

MODEL_PARAMETERS = {
    "parameters": [parameter(name, "query", {"type": "string"}, _REPEATS) for name in ("model_id", "name")]
}
"""Document the query of a route that checks it with `check_model_in_query`."""


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a reference to a schema, with its example."""
    extra = model.model_config.get("json_schema_extra")
    examples = extra.get("examples") if isinstance(extra, dict) else None
    example = {"example": examples[0]} if isinstance(examples, list) else {}
    return {"schema": {"$ref": _REF.format(model=model.__name__)}, **example}


def install(app: FastAPI) -> None:
    """Complete FastAPI's document, which is built once."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        known, document = app.openapi_schema, build()
        if document is not known:
            _complete(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    """Add the schemas of the bodies that routes parse themselves, and how a key is sent and which routes need one.

    Remove the 422 that FastAPI adds to every route with a parameter: ours are problems, and documented.
    """
    components = document["components"]
    _, definitions = models_json_schema([(model, "validation") for model in _READ_BY_HAND], ref_template=_REF)
    components["schemas"] |= definitions["$defs"]
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, where the server has keys."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same in its own header."},
    }
    for path, routes in document["paths"].items():
        for method, route in routes.items():
            if "application/json" in route["responses"].get("422", {}).get("content", {}):
                del route["responses"]["422"]
            if not is_open(method.upper(), path):
                route["security"] = [{"bearer": []}, {"header": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)


Link = dict[str, Any]


_SHORT_HORIZON = 3


def model_links(found: str = "$response.body#/model_id") -> dict[str, Link]:
    """Return links to the operations on a model; found: the expression for its ID."""
    of_model = {"model_id": found}
    asked = {"model_id": found, "horizon": _SHORT_HORIZON}
    return {
        "model": _link("show_models__model_id__get", of_model, "The model"),
        "file": _link("download_models__model_id__file_get", of_model, "The model as a file, once it is ready"),
        "rename": _link("rename_models__model_id__patch", of_model, "Rename the model"),
        "delete": _link("delete_models__model_id__delete", of_model, "Delete the model"),
        "forecast": {"operationId": "forecast_forecast_post", "requestBody": asked, "description": "A forecast"},
    }


def job_links(found: str = "$response.body#/job_id") -> dict[str, Link]:
    """Return links to the operations on a job; found: the expression for its ID."""
    of_job = {"job_id": found}
    return {
        "job": _link("show_jobs__job_id__get", of_job, "The job"),
        "events": _link("events_jobs__job_id__events_get", of_job, "The changes of the job, as server-sent events"),
        "cancel": _link("cancel_jobs__job_id__delete", of_job, "Cancel the job, unless it has ended"),
    }


def page_links(listing: str) -> dict[str, Link]:
    """Return the link to the next page of a list; listing: the operation that returns its pages."""
    return {"next": _link(listing, {"cursor": "$response.body#/next_cursor"}, "The next page, if there is one")}


def _link(operation: str, parameters: dict[str, str], description: str) -> Link:
    return {"operationId": operation, "parameters": parameters, "description": description}
