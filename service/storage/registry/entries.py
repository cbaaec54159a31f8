"""What the registry answers: a model, a job, a page of either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar, Union

from service.keys import DEFAULT_TENANT

JSON: TypeAlias = Union[bool, int, float, str, "Sequence[JSON]", "Mapping[str, JSON]", None]

ModelStatus = Literal["training", "ready", "failed"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

MODEL_STATUSES: tuple[ModelStatus, ...] = ("training", "ready", "failed")
QueueName = Literal["cpu", "gpu"]

JOB_STATUSES: tuple[JobStatus, ...] = ("queued", "running", "succeeded", "failed", "cancelled")
UNFINISHED: tuple[JobStatus, ...] = ("queued", "running")

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class ModelEntry:
    """One model as the registry knows it.

    tenant: whose it is.
    record: the whole answer about it (configuration, metrics, ...); a failed one has its reason under ``error``.
    job_id: what trained it; None where it was imported. ready_at, size_bytes: None until it is ready. attempt: the
    one of its job whose file it is; 0 where it was imported. input_bytes: what it was trained on has so many in the
    store. Times are UTC.
    """

    id: str
    name: str | None
    status: ModelStatus
    job_id: str | None
    created_at: datetime
    ready_at: datetime | None
    record: dict[str, Any]
    size_bytes: int | None
    attempt: int = 0
    input_bytes: int = 0
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True)
class JobEntry:
    """One training job.

    tenant: whose it is, as its model is.
    attempt: how often it was started. progress: what the training told last. error: why it failed. Times are UTC.
    queue: where it waits; dispatch: how often it was put back there, by which a place in a queue tells whether it is
    still the job's. executor: who runs it, as long as it renews its lease before ``lease_until``; deaths: how many
    child processes died under it; revision: grows with every change that is told; traceparent: the span that submitted
    it (W3C Trace Context).
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
    queue: QueueName = "cpu"
    dispatch: int = 0
    executor: str | None = None
    lease_until: datetime | None = None
    deaths: int = 0
    revision: int = 0
    tenant: str = DEFAULT_TENANT
    traceparent: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status not in UNFINISHED


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """Some entries, newest first. next_cursor leads to the older ones; None where there are none."""

    entries: tuple[Entry, ...]
    next_cursor: str | None
