"""Between jobs in the registry and their places in a queue."""

from __future__ import annotations

from service.jobs.queue import Ticket
from service.storage.entries import JobEntry


def ticket_of(job: JobEntry) -> Ticket:
    """Return the place in a queue that the registry knows of a job."""
    return Ticket(job.id, job.dispatch, job.queue)
