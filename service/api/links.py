"""Where each answer leads, for the API's documents (OpenAPI's links): what programs that walk the API follow."""

from __future__ import annotations

from typing import Any

Link = dict[str, Any]

_SHORT_HORIZON = 3


def model_links(found: str = "$response.body#/model_id") -> dict[str, Link]:
    """Return what can be asked of a model; found: the expression that leads to its ID."""
    of_model = {"model_id": found}
    asked = {"model_id": found, "horizon": _SHORT_HORIZON}
    return {
        "model": _link("show_models__model_id__get", of_model, "The model"),
        "file": _link("download_models__model_id__file_get", of_model, "The model as a file, once it is ready"),
        "rename": _link("rename_models__model_id__patch", of_model, "Give it another name"),
        "delete": _link("delete_models__model_id__delete", of_model, "Delete it"),
        "forecast": {"operationId": "forecast_forecast_post", "requestBody": asked, "description": "Forecast from it"},
    }


def job_links(found: str = "$response.body#/job_id") -> dict[str, Link]:
    """Return what can be asked of a job; found: the expression that leads to its ID."""
    of_job = {"job_id": found}
    return {
        "job": _link("show_jobs__job_id__get", of_job, "The job"),
        "events": _link("events_jobs__job_id__events_get", of_job, "Its changes as they come"),
        "cancel": _link("cancel_jobs__job_id__delete", of_job, "Stop it, while it is not finished"),
    }


def page_links(listing: str) -> dict[str, Link]:
    """Return where a list goes on; listing: the operation that gives its pages."""
    return {"next": _link(listing, {"cursor": "$response.body#/next_cursor"}, "The next page, where there is one")}


def _link(operation: str, parameters: dict[str, str], description: str) -> Link:
    return {"operationId": operation, "parameters": parameters, "description": description}
