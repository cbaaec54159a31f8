"""The IDs of models and jobs: created here, and checked before they are used in a path or a query."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

from service.errors import JobNotFound, ModelNotFound, ServiceError

_ID = re.compile(r"[0-9a-f]{32}")
_SHOWN = 64


def new_id() -> str:
    """Return a new, random ID of 32 lowercase hex digits."""
    return uuid4().hex


def is_id(text: str) -> bool:
    """Return whether a text has the form of an ID."""
    return _ID.fullmatch(text) is not None


def check_id(entry_id: str, unknown: Callable[[str], ServiceError]) -> str:
    """Return the ID unchanged. Raises the error that ``unknown`` returns if it is not a valid ID: nothing has it."""
    if not is_id(entry_id):
        raise unknown(entry_id)
    return entry_id


def unknown_model(model_id: str) -> ModelNotFound:
    """Return the error for a model that does not exist."""
    return ModelNotFound(f"No model has the ID {model_id[:_SHOWN]!r}. GET /models lists all models.")


def unknown_job(job_id: str) -> JobNotFound:
    """Return the error for a job that does not exist."""
    return JobNotFound(f"No job has the ID {job_id[:_SHOWN]!r}. GET /jobs lists all jobs.")
