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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from service.errors import ServiceError
from service.queue.dbos_queue import DurableQueue
from service.queue.tickets import ticket_of
from service.storage.registry.database import utc_now
from service.storage.registry.entries import JobEntry, QueueName
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.worker.runner import JobRunner

logger = logging.getLogger(__name__)

# A cancellation must reach a child process within a second, whichever server received it.
_POLL_SECONDS = 0.4
_RENEWALS, _SWEEPS = 4, 3
_FORGET_SECONDS = 60.0
# A ticket that is missing in two polls, at least this many seconds apart, is lost.
_TRANSIT_SECONDS = 1.0
_JOBS_PER_POLL = 1000


@dataclass(eq=False)
class LeaseKeeper:
    """Keeps a worker's leases in a thread next to the runner.

    retention: how long ended jobs are kept; lost: called if another worker has taken this worker's ID.
    """

    registry: Registry
    holder: LeaseHolder
    runner: JobRunner
    tickets: DurableQueue
    retention: timedelta
    lost: Callable[[], None]

    def __post_init__(self) -> None:
        self._leases = self.registry.leases
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._missing: dict[str, float] = {}
        self._known_since: float | None = None

    def start(self) -> None:
        """Queue waiting jobs without a ticket, then start the thread."""
        self._queue_waiting(0.0)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        seconds = self.holder.seconds
        tasks = ((self._renew, seconds / _RENEWALS), (self._sweep, seconds / _SWEEPS), (self._forget, _FORGET_SECONDS))
        due = [0.0] * len(tasks)
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                if before := self.runner.attempts():
                    self.runner.stop_stale(before, self._leases.held(self.holder))
                for number, (task, every) in enumerate(tasks):
                    if time.monotonic() >= due[number]:
                        task()
                        due[number] = time.monotonic() + every
            except ServiceError as error:
                self._known_since = None
                logger.warning("leases cannot be renewed at the moment: %s", error.detail)
            except Exception:
                logger.exception("leases cannot be renewed at the moment")

    def _renew(self) -> None:
        before = self.runner.attempts()
        held = self._leases.renew(self.holder, before)
        self.runner.stop_stale(before, held or {})
        if held is None:
            logger.error("another worker has this one's ID: everything here stops")
            self.lost()
        elif self._known_since is None:
            self._known_since = time.monotonic()

    def _sweep(self) -> None:
        # While the database was unavailable, no lease could be renewed: let live workers renew theirs first.
        if self._known_since is not None and time.monotonic() - self._known_since >= self.holder.seconds:
            for job in self._leases.take_expired():
                logger.info("job %s is taken over: its worker did not renew its lease", job.id)
                self.tickets.submit(ticket_of(job))
        self._queue_waiting(_TRANSIT_SECONDS)

    def _forget(self) -> None:
        self.registry.jobs.forget(utc_now() - self.retention)
        self.tickets.forget_old()

    def _queue_waiting(self, transit_seconds: float) -> None:
        """Queue waiting jobs that have no ticket in the queue; replace tickets that no worker will use.

        transit_seconds: a ticket that is missing for a shorter time may still be on its way.
        """
        waiting = {ticket_of(job): job for job in self._leases.waiting(_JOBS_PER_POLL)}
        if not waiting:
            self._missing.clear()
            return
        states, live = self.tickets.states(waiting), self._leases.live_workers()
        served = set().union(*live.values())
        now = time.monotonic()
        self._missing = {one.id: self._missing.get(one.id, now) for one in waiting if one.id not in states}
        for ticket, job in waiting.items():
            if time.monotonic() - now >= self.holder.seconds / _RENEWALS:
                return  # renewing the leases of running jobs comes first; the other jobs are handled in the next poll
            state = states.get(ticket.id)
            if job.queue not in served and served:
                self._requeue(job, min(served))
            elif state is None:
                if now - self._missing[ticket.id] >= transit_seconds:
                    self.tickets.submit(ticket)
            elif not state.will_be_used(live):
                self._requeue(job, job.queue)

    def _requeue(self, job: JobEntry, queue: QueueName) -> None:
        """Replace a waiting job's ticket, which becomes void."""
        requeued = self._leases.requeue(job.id, job.generation, queue)
        if requeued is not None:
            self.tickets.submit(ticket_of(requeued))
