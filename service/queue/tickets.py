"""What the rest of the service knows of the training queue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from service.errors import ServiceError
from service.storage.registry.entries import JobEntry

Ending = Literal["succeeded", "failed", "died", "stopped"]


class AttemptEnd(NamedTuple):
    """An attempt that ended, on a queue, so many seconds after its claim; see `service.telemetry.metrics.OUTCOMES`."""

    queue: str
    outcome: Ending
    seconds: float


Measured = Callable[[AttemptEnd], None]

Progress = dict[str, Any]
Tell = Callable[[Progress], None]

CPU, GPU = "cpu", "gpu"
"""The queues, one for each class of devices."""


class Ticket(NamedTuple):
    """A job's place in a queue; void as soon as the job was put back and got another, with a higher ``dispatch``."""

    job_id: str
    dispatch: int
    queue: str

    @property
    def id(self) -> str:
        """What no other ticket has."""
        return f"{self.job_id}-{self.dispatch}"


@dataclass(frozen=True)
class Outcome:
    """What a training leads to: a JSON-able record of the model, and its file."""

    record: dict[str, Any]
    file: bytes


Keep = Callable[[bytes], None]

Train = Callable[[str, Tell, Keep], Outcome]
"""Trains the job with this ID in the child process, telling its progress and having checkpoints kept."""


class JobListener(Protocol):
    """Is told, from the trainer's threads, what becomes of each attempt at a job; a stale one is not heard."""

    def claim(self, ticket: Ticket) -> int | None:
        """A child is free for the job; the attempt, or None where the ticket is void: it is not to be run."""

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        """The training tells how far it is."""

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        """The training sends a checkpoint, which another attempt goes on from."""

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> None:
        """The training returned."""

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        """The training raised or took too long."""

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        """The child died; the job's next ticket, or None where it has failed for good."""


class Ledger(Protocol):
    """Who holds which job; every method may raise Unavailable."""

    def enrol(self) -> bool:
        """Make this executor known; False where another living one has its ID."""

    def renew(self, job_ids: Collection[str]) -> Mapping[str, int] | None:
        """Renew this executor's leases of jobs; the attempt by job ID. None where another executor has its ID now."""

    def held(self) -> Mapping[str, int]:
        """The attempts that this executor holds, by job ID."""

    def release(self) -> list[Ticket]:
        """Put back all that this executor holds, or held before it was killed."""

    def dismiss(self) -> None:
        """Forget this executor."""

    def expired(self) -> list[Ticket]:
        """Put back the jobs of executors that have not renewed in time."""

    def waiting(self) -> list[Ticket]:
        """The tickets of queued jobs, the oldest ones first, as many as are worth looking at."""

    def redispatch(self, ticket: Ticket, queue: str) -> Ticket | None:
        """Void a waiting job's ticket and return another; None where it was void already."""

    def living(self) -> set[str]:
        """The IDs of executors that have been heard of in time."""

    def served(self) -> set[str]:
        """The queues that living executors work off."""

    def forget_old(self) -> None:
        """Remove the jobs that ended long ago."""


class TrainingQueue(Protocol):
    """How a server hands trainings to trainers, on this machine or on others."""

    def start(self) -> None:
        """Begin to work."""

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Queue jobs that are registered. What cannot be handed over now, a trainer finds in the registry."""

    def cancel(self, job_id: str) -> None:
        """Have a job that was cancelled or deleted stop at once, where it runs on this machine."""

    def failure(self) -> str | None:
        """Return why this server's own trainer does not run; None where it runs, starts, or the server has none."""

    def stop(self) -> None:
        """Stop; what runs on this machine goes back to the queue."""


def ticket_of(job: JobEntry) -> Ticket:
    """Return the place in a queue that the registry knows of a job."""
    return Ticket(job.id, job.dispatch, job.queue)
