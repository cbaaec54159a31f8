"""The types that the registry returns: models, jobs, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar, Union

from service.errors import ModelFailed, ModelNotReady
from service.keys import DEFAULT_TENANT

JSON: TypeAlias = Union[bool, int, float, str, "Sequence[JSON]", "Mapping[str, JSON]", None]

ModelStatus = Literal["training", "ready", "failed"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

QueueName = Literal["cpu", "gpu"]

NameMode = Literal["newest", "pinned"]
"""Whether a name means the newest ready model that has it, or the one model to which it is pinned."""
MoveReason = Literal["trained", "promoted", "rolled back", "followed"]

UNFINISHED: tuple[JobStatus, ...] = ("queued", "running")

_RETRY_SECONDS = 1

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class ModelEntry:
    """One model in the registry.

    tenant: the owner.
    record: the details shown by the API (configuration, metrics, ...); for a failed model, the reason is under
    ``error``. job_id: the job that trained it; None if it was imported. ready_at, size_bytes: None until it is ready.
    attempt: the attempt of its job that wrote its file; 0 if it was imported. input_bytes: size of its training input
    in the store. series_revision: number of changes of its series since the training, of which ``series_file`` holds
    the first ``series_file_revision``, and the registry the others; series_bytes: size of both. parent_id: the model
    that it was retrained from; root_id: the first of these; None: it was not retrained from another. beaten: its parent
    was better, so names that follow do not mean it. adaptive: its intervals adapt to what is observed. retrain: when it
    is retrained by itself; retrain_due_at: when next, by a schedule. monitored_revision: of the series, up to which
    forecasts were scored. champion: ID of the best model of its line, see `lines`; None where it was not read. Times
    are UTC.
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
    parent_id: str | None = None
    root_id: str | None = None
    beaten: bool = False
    adaptive: bool = False
    retrain: dict[str, Any] | None = None
    retrain_due_at: datetime | None = None
    monitored_revision: int = 0
    champion: str | None = None
    tenant: str = DEFAULT_TENANT

    def check_ready(self) -> None:
        """Raise ModelNotReady or ModelFailed unless the model is ready."""
        if self.status == "training":
            raise ModelNotReady(f"model {self.id} is still training; try again in a moment", retry_after=_RETRY_SECONDS)
        if self.status == "failed":
            reason = self.record.get("error", {}).get("detail", "unknown reason")
            raise ModelFailed(f"the training of model {self.id} failed: train again. The reason: {reason}")


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
class NameEntry:
    """What a name means.

    model_id: None if the name was moved, and no ready model has it now. since: when it began to mean this model, as far
    as is known; None if it means none. revision: number of moves; 0: it was never moved. changed_by: who moved it last.
    """

    name: str
    mode: NameMode
    model_id: str | None
    since: datetime | None
    revision: int = 0
    changed_by: str | None = None


@dataclass(frozen=True)
class NameMove:
    """One move of a name. model_id: what it meant after it; moved_by: who moved it, None for a training."""

    revision: int
    mode: NameMode
    model_id: str | None
    reason: MoveReason
    moved_at: datetime | None
    moved_by: str | None


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """Some entries, newest first. next_cursor: cursor of the next page with older ones; None on the last page."""

    entries: tuple[Entry, ...]
    next_cursor: str | None
