"""Renew a worker's leases, stop jobs whose lease it has lost, and take over jobs that other workers have lost.

A job is lost in two ways. Either its worker dies while the job runs, or never learns that it has claimed the job,
because the database failed before it answered. Or the job has no ticket, because a process died between registering
the job and queueing it, or between taking the ticket and claiming the job. The first shows as an expired lease, as
only running jobs are renewed; the second as a waiting job without a valid ticket. Every worker checks for both; if
several find the same job, the registry lets only one of them act.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import cast

from service.errors import ServiceError
from service.queue.dbos_queue import DurableQueue, Place
from service.queue.tickets import Ledger, Ticket, ticket_of
from service.storage.identifiers import new_id
from service.storage.registry.database import utc_now
from service.storage.registry.entries import QueueName
from service.storage.registry.registry import Registry
from service.worker.runner import JobRunner

logger = logging.getLogger(__name__)

# A cancellation must reach a child process within a second, whichever server received it.
_LOOK_SECONDS = 0.4
_RENEWALS, _SWEEPS = 4, 3
_FORGET_SECONDS = 60.0
# A ticket that is missing in two polls, at least this many seconds apart, is lost.
_ON_ITS_WAY = 1.0


class LeaseKeeper:
    """Keeps leases in a thread next to the runner. lost: called if another worker has taken this worker's ID."""

    def __init__(
        self, ledger: Ledger, runner: JobRunner, tickets: DurableQueue, lease_seconds: float, lost: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._runner = runner
        self._tickets = tickets
        self._lease_seconds = lease_seconds
        self._lost = lost
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._missing: dict[str, float] = {}
        self._known_since: float | None = None

    def start(self) -> None:
        """Queue waiting jobs without a ticket, then start the thread."""
        self._take_up(self._ledger.waiting(), patient=False)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        due = dict.fromkeys(("renew", "sweep", "forget"), 0.0)
        every = {
            "renew": self._lease_seconds / _RENEWALS,
            "sweep": self._lease_seconds / _SWEEPS,
            "forget": _FORGET_SECONDS,
        }
        acts = {"renew": self._renew, "sweep": self._sweep, "forget": self._forget}
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                if self._runner.attempts():
                    before = self._runner.attempts()
                    self._runner.stop_stale(before, self._ledger.held())
                for name, act in acts.items():
                    if time.monotonic() >= due[name]:
                        act()
                        due[name] = time.monotonic() + every[name]
            except ServiceError as error:
                self._known_since = None
                logger.warning("leases cannot be kept for now: %s", error.detail)
            except Exception:
                logger.exception("leases cannot be kept for now")

    def _renew(self) -> None:
        before = self._runner.attempts()
        held = self._ledger.renew(before)
        if held is None:
            logger.error("another executor has this one's ID: everything here stops")
            self._runner.stop_stale(before, {})
            self._lost()
            return
        self._runner.stop_stale(before, held)
        if self._known_since is None:
            self._known_since = time.monotonic()

    def _sweep(self) -> None:
        # While the database was unavailable, no lease could be renewed: let live workers renew theirs first.
        if self._known_since is not None and time.monotonic() - self._known_since >= self._lease_seconds:
            for ticket in self._ledger.expired():
                logger.info("job %s is taken over: its executor was not heard of in time", ticket.job_id)
                self._tickets.submit(ticket)
        self._take_up(self._ledger.waiting(), patient=True)

    def _forget(self) -> None:
        self._ledger.forget_old()
        self._tickets.forget_old()

    def _take_up(self, waiting: Sequence[Ticket], patient: bool) -> None:
        """Queue waiting jobs that have no ticket in the queue; replace tickets that no worker will use."""
        if not waiting:
            self._missing.clear()
            return
        places, living, served = self._tickets.places(waiting), self._ledger.living(), self._ledger.served()
        now = time.monotonic()
        self._missing = {one.id: self._missing.get(one.id, now) for one in waiting if one.id not in places}
        for ticket in waiting:
            if time.monotonic() - now >= self._lease_seconds / _RENEWALS:
                return  # renewing the leases of running jobs comes first; the other jobs are handled in the next poll
            place = places.get(ticket.id)
            if ticket.queue not in served and served:
                self._replace(ticket, min(served))
            elif place is None:
                if not patient or now - self._missing[ticket.id] >= _ON_ITS_WAY:
                    self._tickets.submit(ticket)
            elif not _will_be_used(place, living):
                self._replace(ticket, ticket.queue)

    def _replace(self, ticket: Ticket, queue: str) -> None:
        other = self._ledger.redispatch(ticket, queue)
        if other is not None:
            self._tickets.submit(other)


def _will_be_used(place: Place, living: set[str]) -> bool:
    return place.waits or (place.is_taken and place.executor in living)


_LOOKED_AT = 1000


class JobLedger:
    """The worker's `Ledger`; see there for the methods.

    executor: the worker's ID; queues: the queues it serves; sole: no other worker can have the ID; retention: how long
    ended jobs are kept.
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
        """Register this worker; return False if another live worker has its ID."""
        return self._registry.enrol(self._executor, self._instance, self._queues, self._lease_seconds, self._sole)

    def renew(self, job_ids: Collection[str]) -> dict[str, int] | None:
        """Renew this worker's leases of jobs; return attempts by job ID, None if another worker has taken its ID."""
        return self._registry.renew_leases(self._executor, self._instance, job_ids, self._lease_seconds)

    def held(self) -> dict[str, int]:
        """Return the attempts that this worker holds, by job ID."""
        return self._registry.held_leases(self._executor)

    def release(self) -> list[Ticket]:
        """Put back all jobs that this worker holds, or held before it was killed; return their new tickets."""
        return [ticket_of(job) for job in self._registry.release_leases(self._executor, self._instance)]

    def dismiss(self) -> None:
        """Deregister this worker."""
        self._registry.dismiss(self._executor, self._instance)

    def expired(self) -> list[Ticket]:
        """Put back the jobs whose lease has expired; return their new tickets."""
        return [ticket_of(job) for job in self._registry.take_expired()]

    def waiting(self) -> list[Ticket]:
        """Return the tickets of queued jobs, oldest first, up to a maximum number."""
        return [ticket_of(job) for job in self._registry.waiting_jobs(_LOOKED_AT)]

    def redispatch(self, ticket: Ticket, queue: str) -> Ticket | None:
        """Void a waiting job's ticket and return a new one; None if it was void already."""
        job = self._registry.redispatch(ticket.job_id, ticket.dispatch, cast(QueueName, queue))
        return None if job is None else ticket_of(job)

    def living(self) -> set[str]:
        """Return the IDs of live workers."""
        return self._registry.living_executors()

    def served(self) -> set[str]:
        """Return the queues served by live workers."""
        return set(self._registry.served_queues())

    def forget_old(self) -> None:
        """Delete jobs that ended longer ago than the retention time."""
        self._registry.forget_jobs(utc_now() - self._retention)
