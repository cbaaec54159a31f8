"""What the registry answers: a model, a job, a page of either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar, Union

JSON: TypeAlias = Union[bool, int, float, str, "Sequence[JSON]", "Mapping[str, JSON]", None]

ModelStatus = Literal["training", "ready", "failed"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

MODEL_STATUSES: tuple[ModelStatus, ...] = ("training", "ready", "failed")
JOB_STATUSES: tuple[JobStatus, ...] = ("queued", "running", "succeeded", "failed", "cancelled")

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class ModelEntry:
    """One model as the registry knows it.

    record: the whole answer about it (configuration, metrics, ...); a failed one has its reason under ``error``.
    job_id: what trained it; None where it was imported. ready_at, size_bytes: None until it is ready. Times are UTC.
    """

    id: str
    name: str | None
    status: ModelStatus
    job_id: str | None
    created_at: datetime
    ready_at: datetime | None
    record: dict[str, Any]
    size_bytes: int | None


@dataclass(frozen=True)
class JobEntry:
    """One training job.

    attempt: how often it was started. progress: what the training told last. error: why it failed. Times are UTC.
    """

    id: str
    model_id: str
    status: JobStatus
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    progress: dict[str, Any]
    error: dict[str, Any] | None


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """Some entries, newest first. next_cursor leads to the older ones; None where there are none."""

    entries: tuple[Entry, ...]
    next_cursor: str | None
