"""Who holds which job, for a trainer, from the registry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import cast

from service.jobs.queue import Ticket
from service.storage.database import utc_now
from service.storage.entries import QueueName
from service.storage.identifiers import new_id
from service.storage.registry import Registry
from service.usecases.job_tickets import ticket_of

_LOOKED_AT = 1000


class JobLedger:
    """The trainer's `Ledger`; see there for the methods.

    executor: its ID; queues: those it works off; sole: nobody else can have the ID; retention: how long jobs that ended
    are kept.
    """

    def __init__(
        self,
        registry: Registry,
        executor: str,
        queues: Sequence[str],
        lease_seconds: float,
        retention: timedelta,
        sole: bool,
    ) -> None:
        self._registry = registry
        self._executor = executor
        self._instance = new_id()
        self._queues = cast(Sequence[QueueName], queues)
        self._lease_seconds = lease_seconds
        self._retention = retention
        self._sole = sole

    def enrol(self) -> bool:
        """Make this executor known; False where another living one has its ID."""
        return self._registry.enrol(self._executor, self._instance, self._queues, self._lease_seconds, self._sole)

    def renew(self, job_ids: Collection[str]) -> dict[str, int] | None:
        """Renew this executor's leases of jobs; the attempt by job ID. None where another executor has its ID now."""
        return self._registry.renew_leases(self._executor, self._instance, job_ids, self._lease_seconds)

    def held(self) -> dict[str, int]:
        """The attempts that this executor holds, by job ID."""
        return self._registry.held_leases(self._executor)

    def release(self) -> list[Ticket]:
        """Put back all that this executor holds, or held before it was killed."""
        return [ticket_of(job) for job in self._registry.release_leases(self._executor, self._instance)]

    def dismiss(self) -> None:
        """Forget this executor."""
        self._registry.dismiss(self._executor, self._instance)

    def expired(self) -> list[Ticket]:
        """Put back the jobs of executors that have not renewed in time."""
        return [ticket_of(job) for job in self._registry.take_expired()]

    def waiting(self) -> list[Ticket]:
        """The tickets of queued jobs, the oldest ones first."""
        return [ticket_of(job) for job in self._registry.waiting_jobs(_LOOKED_AT)]

    def redispatch(self, ticket: Ticket, queue: str) -> Ticket | None:
        """Void a waiting job's ticket and return another; None where it was void already."""
        job = self._registry.redispatch(ticket.job_id, ticket.dispatch, cast(QueueName, queue))
        return None if job is None else ticket_of(job)

    def living(self) -> set[str]:
        """The IDs of executors that have been heard of in time."""
        return self._registry.living_executors()

    def served(self) -> set[str]:
        """The queues that living executors work off."""
        return set(self._registry.served_queues())

    def forget_old(self) -> None:
        """Remove the jobs that ended long ago."""
        self._registry.forget_jobs(utc_now() - self._retention)
