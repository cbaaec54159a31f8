"""The types that the registry returns: models, jobs, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar, Union

from service.keys import DEFAULT_TENANT

JSON: TypeAlias = Union[bool, int, float, str, "Sequence[JSON]", "Mapping[str, JSON]", None]

ModelStatus = Literal["training", "ready", "failed"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

QueueName = Literal["cpu", "gpu"]

UNFINISHED: tuple[JobStatus, ...] = ("queued", "running")

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class ModelEntry:
    """One model in the registry.

    tenant: the owner.
    record: the details shown by the API (configuration, metrics, ...); for a failed model, the reason is under
    ``error``. job_id: the job that trained it; None if it was imported. ready_at, size_bytes: None until it is ready.
    attempt: the attempt of its job that wrote its file; 0 if it was imported. input_bytes: size of its training input
    in the store. series_revision: number of changes of its series since the training, of which ``series_file`` holds
    the first ``series_file_revision``, and the registry the others; series_bytes: size of both. Times are UTC.
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
    series_revision: int = 0
    series_file: str | None = None
    series_file_revision: int = 0
    series_bytes: int = 0
    tenant: str = DEFAULT_TENANT


@dataclass(frozen=True)
class JobEntry:
    """One training job.

    tenant: the owner, the same as that of its model.
    attempt: number of times it was started. progress: last report of the training. error: why it failed. Times are UTC.
    queue: the queue it waits in; generation: of its ticket, a fencing token that grows each time it is put back:
    tickets of earlier generations are void. worker: ID of the worker that runs it, as long as that renews its lease
    before ``lease_until``; deaths: number of its child processes that died; revision: incremented with every change
    that is reported; traceparent: the span that submitted it (W3C Trace Context).
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
    generation: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    deaths: int = 0
    revision: int = 0
    tenant: str = DEFAULT_TENANT
    traceparent: str | None = None

    @property
    def has_ended(self) -> bool:
        """Return whether the job has ended, so that it cannot change any more."""
        return self.status not in UNFINISHED


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """Some entries, newest first. next_cursor: cursor of the next page with older ones; None on the last page."""

    entries: tuple[Entry, ...]
    next_cursor: str | None
