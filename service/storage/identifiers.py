"""The IDs of models and jobs: created here, and checked before they are used in a path or a query."""

from __future__ import annotations

import re
from uuid import uuid4

from service.errors import JobNotFound, ModelNotFound

_ID = re.compile(r"[0-9a-f]{32}")
_SHOWN = 64


def new_id() -> str:
    """Return a new, random ID of 32 lowercase hex digits."""
    return uuid4().hex


def is_id(text: str) -> bool:
    """Return whether a text has the form of an ID."""
    return _ID.fullmatch(text) is not None


def check_model_id(model_id: str) -> str:
    """Return the ID unchanged.

    Raises ModelNotFound if it is not a valid ID, as no model can have it.
    """
    if not is_id(model_id):
        raise unknown_model(model_id)
    return model_id


def check_job_id(job_id: str) -> str:
    """Return the ID unchanged.

    Raises JobNotFound if it is not a valid ID, as no job can have it.
    """
    if not is_id(job_id):
        raise unknown_job(job_id)
    return job_id


def unknown_model(model_id: str) -> ModelNotFound:
    """Return the error for a model that does not exist."""
    return ModelNotFound(f"No model has the ID {model_id[:_SHOWN]!r}. GET /models lists those that are there.")


def unknown_job(job_id: str) -> JobNotFound:
    """Return the error for a job that does not exist."""
    return JobNotFound(f"No job has the ID {job_id[:_SHOWN]!r}. GET /jobs lists those that are there.")
