"""The interface of the training queue: tickets, outcomes and protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from service.errors import ServiceError
from service.storage.registry.entries import JobEntry, QueueName

Ending = Literal["succeeded", "failed", "died", "stopped"]


class AttemptEnd(NamedTuple):
    """An ended attempt: queue, outcome (see `service.telemetry.metrics.OUTCOMES`), and seconds since its claim."""

    queue: str
    outcome: Ending
    seconds: float


Measured = Callable[[AttemptEnd], None]

Progress = dict[str, Any]
Report = Callable[[Progress], None]

CPU: QueueName = "cpu"
GPU: QueueName = "gpu"
"""The queues, one for each device class."""


class Ticket(NamedTuple):
    """A job's entry in a queue.

    generation: a fencing token; a ticket is void once the job has one with a higher generation.
    """

    job_id: str
    generation: int
    queue: str

    @property
    def id(self) -> str:
        """Return the unique ID of the ticket."""
        return f"{self.job_id}-{self.generation}"


@dataclass(frozen=True)
class Outcome:
    """The result of a training: the record of the model, serialisable as JSON, and the bytes of its file."""

    record: dict[str, Any]
    file: bytes


Keep = Callable[[bytes], None]

Train = Callable[[str, Report, Keep], Outcome]
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
    return Ticket(job.id, job.generation, job.queue)
