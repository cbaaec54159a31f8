"""Keeps an executor's leases alive, stops what it has lost, and takes up what others have.

A queue loses a job in two ways: its executor dies while it runs, or never learns that it has claimed it, because the
database died before it answered; or its ticket is nowhere, because a process died between registering the job and
queueing it, or between taking the ticket and claiming the job. The first shows as a lease that ran out, for only what
runs is renewed, the second as a waiting job without a living ticket. Every executor looks for both; of several that
find one, the registry lets one act.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from service.errors import ServiceError
from service.jobs.durable_queue import DurableQueue, Place
from service.jobs.job_runner import JobRunner
from service.jobs.queue import Ledger, Ticket

logger = logging.getLogger(__name__)

# Cancelling must reach a child within a second, whichever server was told.
_LOOK_SECONDS = 0.4
_RENEWALS, _SWEEPS = 4, 3
_FORGET_SECONDS = 60.0
# A ticket that was not there at two looks, this many seconds apart at least, is lost.
_ON_ITS_WAY = 1.0


class LeaseKeeper:
    """A thread beside the runner; lost: called where another executor has this one's ID."""

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
        """Begin, after a first look at what is waiting."""
        self._take_up(self._ledger.waiting(), patient=False)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
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
        # After the database was away, nobody could renew: let the living do so first.
        if self._known_since is not None and time.monotonic() - self._known_since >= self._lease_seconds:
            for ticket in self._ledger.expired():
                logger.info("job %s is taken over: its executor was not heard of in time", ticket.job_id)
                self._tickets.submit(ticket)
        self._take_up(self._ledger.waiting(), patient=True)

    def _forget(self) -> None:
        self._ledger.forget_old()
        self._tickets.forget_old()

    def _take_up(self, waiting: Sequence[Ticket], patient: bool) -> None:
        """Queue waiting jobs whose ticket is nowhere; replace tickets that nobody will use."""
        if not waiting:
            self._missing.clear()
            return
        places, living, served = self._tickets.places(waiting), self._ledger.living(), self._ledger.served()
        now = time.monotonic()
        self._missing = {one.id: self._missing.get(one.id, now) for one in waiting if one.id not in places}
        for ticket in waiting:
            if time.monotonic() - now >= self._lease_seconds / _RENEWALS:
                return  # the leases of what runs come first; the others have their turn at the next look
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
