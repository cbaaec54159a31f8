"""The interface of the training queue: tickets, outcomes and protocols."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from service.errors import ServiceError
from service.storage.registry.entries import JobEntry

Ending = Literal["succeeded", "failed", "died", "stopped"]


class AttemptEnd(NamedTuple):
    """An ended attempt: queue, outcome (see `service.telemetry.metrics.OUTCOMES`), and seconds since its claim."""

    queue: str
    outcome: Ending
    seconds: float


Measured = Callable[[AttemptEnd], None]

Progress = dict[str, Any]
Tell = Callable[[Progress], None]

CPU, GPU = "cpu", "gpu"
"""The queues, one for each device class."""


class Ticket(NamedTuple):
    """A job's entry in a queue.

    ``dispatch`` is its generation, a fencing token: a ticket is void once the job has one with a higher generation.
    """

    job_id: str
    dispatch: int
    queue: str

    @property
    def id(self) -> str:
        """Return the unique ID of the ticket."""
        return f"{self.job_id}-{self.dispatch}"


@dataclass(frozen=True)
class Outcome:
    """The result of a training: the record of the model, serialisable as JSON, and the bytes of its file."""

    record: dict[str, Any]
    file: bytes


Keep = Callable[[bytes], None]

Train = Callable[[str, Tell, Keep], Outcome]
"""Trains the job with this ID in the child process, and reports progress and checkpoints through the callbacks."""


class JobListener(Protocol):
    """Receives the events of each attempt at a job, from the worker's threads; ignores those of stale attempts."""

    def claim(self, ticket: Ticket) -> int | None:
        """Claim the job for a free child process; return the attempt, or None if the ticket is void."""

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        """Handle a progress report of the training."""

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        """Handle a checkpoint of the training, from which another attempt can resume."""

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> None:
        """Handle the outcome of a finished training."""

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        """Handle a training that raised an error or took too long."""

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        """Handle the death of the child process; return the job's next ticket, or None if it has failed for good."""


class Ledger(Protocol):
    """Records which worker holds which job; every method may raise Unavailable."""

    def enrol(self) -> bool:
        """Register this worker; return False if another live worker has its ID."""

    def renew(self, job_ids: Collection[str]) -> Mapping[str, int] | None:
        """Renew this worker's leases of jobs; return attempts by job ID, None if another worker has taken its ID."""

    def held(self) -> Mapping[str, int]:
        """Return the attempts that this worker holds, by job ID."""

    def release(self) -> list[Ticket]:
        """Put back all jobs that this worker holds, or held before it was killed; return their new tickets."""

    def dismiss(self) -> None:
        """Deregister this worker."""

    def expired(self) -> list[Ticket]:
        """Put back the jobs whose lease has expired; return their new tickets."""

    def waiting(self) -> list[Ticket]:
        """Return the tickets of queued jobs, oldest first, up to a maximum number."""

    def redispatch(self, ticket: Ticket, queue: str) -> Ticket | None:
        """Void a waiting job's ticket and return a new one; None if it was void already."""

    def living(self) -> set[str]:
        """Return the IDs of live workers."""

    def served(self) -> set[str]:
        """Return the queues served by live workers."""

    def forget_old(self) -> None:
        """Delete jobs that ended long ago."""


class TrainingQueue(Protocol):
    """Passes trainings from a server to workers, on this machine or on others."""

    def start(self) -> None:
        """Start the queue."""

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Enqueue registered jobs. A worker finds jobs that cannot be enqueued now in the registry."""

    def cancel(self, job_id: str) -> None:
        """Stop a cancelled or deleted job at once if it runs on this machine."""

    def failure(self) -> str | None:
        """Return why this server's own worker does not run; None if it runs or starts, or the server has no worker."""

    def stop(self) -> None:
        """Stop the queue; jobs that run on this machine are put back."""


def ticket_of(job: JobEntry) -> Ticket:
    """Return a job's current ticket, as recorded in the registry."""
    return Ticket(job.id, job.dispatch, job.queue)
