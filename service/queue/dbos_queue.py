"""The queues, on DBOS Transact: tickets wait in its database until a worker takes them.

https://docs.dbos.dev/python. DBOS has one instance per process, and so has `DurableQueue`. Each workflow is one
ticket. Only the registry knows whether a ticket is still valid, so a workflow that DBOS runs again after a crash does
no harm.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID

from service.errors import Unavailable
from service.queue.database import APPLICATION, VERSION, WORKFLOW, engine_options
from service.queue.tickets import Ticket
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)


class JsonSerializer(Serializer):
    """JSON in place of DBOS's pickle."""

    def serialize(self, data: Any) -> str:
        """Return data as JSON; values that JSON cannot represent, such as exceptions, are converted with ``str``."""
        return orjson.dumps(data, default=str).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Return the data of a text from `serialize`."""
        return orjson.loads(serialized_data)

    def name(self) -> str:
        """Return the name that DBOS stores with the data."""
        return "json"


# Seconds; a ticket started directly that has not begun by then had been used up before.
_BEGINS_WITHIN = 5.0
_KEPT = timedelta(minutes=10)
_FORGOTTEN_AT_ONCE = 1000
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class TicketState(NamedTuple):
    """The state of a ticket: waiting in a queue, taken by a worker, or used up."""

    status: str
    worker: str | None

    @property
    def waits(self) -> bool:
        """Return whether the ticket waits for a worker to take it."""
        return self.status in ("ENQUEUED", "DELAYED")

    def will_be_used(self, live_workers: Container[str]) -> bool:
        """Return whether the ticket waits, or was taken by a live worker."""
        return self.waits or (self.status == "PENDING" and self.worker in live_workers)


@dataclass(eq=False)
class DurableQueue:
    """Puts tickets into queues, and runs tickets taken from them.

    run: called with each ticket, in a thread of its own. sizes: maximum number of concurrent tickets by queue.
    alone: no other worker takes from these queues; a ticket is then run at once if there is a free slot, and one
    ticket more than there are slots is taken in advance, so that jobs follow each other without a gap.
    """

    url: str
    worker: str
    sizes: Mapping[str, int]
    run: Callable[[Ticket], None]
    alone: bool
    poll_seconds: float

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Ticket] = {}
        self._reserved: dict[str, tuple[Ticket, float]] = {}
        self._waiting: set[str] = set()

    def launch(self) -> None:
        """Open the queues and start taking tickets. Raises Unavailable if DBOS cannot use its database."""
        global _current
        _current = self
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self.url,
            "db_engine_kwargs": engine_options(self.url),
            "executor_id": self.worker,
            "application_version": VERSION,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": 0.5,
        }
        try:
            instance = DBOS(config=config)
            DBOS.listen_queues(list(self.sizes))
            DBOS.launch()
            _keep_size(instance, {name: size + self.alone for name, size in self.sizes.items()})
            for name in self.sizes:
                # The database stores 1, which is never more than a worker can run; see `_keep_size`.
                DBOS.register_queue(
                    name, worker_concurrency=1, polling_interval_sec=self.poll_seconds, on_conflict="always_update"
                )
        except Exception as error:
            raise Unavailable(f"the queue cannot be opened: {reason(error)}") from error

    def submit(self, ticket: Ticket) -> None:
        """Run a ticket at once if a slot is free and nothing waits, else enqueue it, unless it is already there."""
        at_once = self._reserve(ticket)
        if at_once is None:
            return
        with SetWorkflowID(ticket.id):
            if at_once:
                DBOS.start_workflow(_train, *ticket)
            else:
                DBOS.enqueue_workflow(ticket.queue, _train, *ticket)

    def states(self, tickets: Iterable[Ticket]) -> dict[str, TicketState]:
        """Return the states of tickets by their IDs; unknown tickets are omitted."""
        found = DBOS.list_workflows(workflow_ids=[ticket.id for ticket in tickets], load_input=False, load_output=False)
        states = {one.workflow_id: TicketState(one.status, one.executor_id) for one in found}
        with self._lock:
            self._waiting &= {name for name, state in states.items() if state.waits}
        return states

    def forget_old(self) -> int:
        """Delete used tickets; return how many were deleted."""
        before = (datetime.now(UTC) - _KEPT).isoformat()
        used = DBOS.list_workflows(
            status=_ENDED, completed_before=before, limit=_FORGOTTEN_AT_ONCE, load_input=False, load_output=False
        )
        if used:
            DBOS.delete_workflows([one.workflow_id for one in used])
        return len(used)

    def destroy(self) -> None:
        """Stop taking tickets; running jobs must have ended before."""
        global _current
        # DBOS's threads would log errors about the resources closed while they run.
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS.destroy()
        _current = None

    def work(self, ticket: Ticket) -> None:
        """Run a ticket that DBOS has started."""
        with self._lock:
            self._waiting.discard(ticket.id)
            self._reserved.pop(ticket.id, None)
            self._running[ticket.id] = ticket
        try:
            self.run(ticket)
        except Exception as error:
            # The lease keeper finds the job still waiting, and gives it another ticket.
            logger.warning("job %s could not be run: %s", ticket.job_id, reason(error))
        finally:
            with self._lock:
                del self._running[ticket.id]

    def _reserve(self, ticket: Ticket) -> bool | None:
        """Return whether to run a ticket at once, and reserve its slot; None: it is already waiting or running."""
        now = time.monotonic()
        with self._lock:
            # A ticket that had been used up before it was submitted again never begins.
            self._reserved = {name: one for name, one in self._reserved.items() if now - one[1] < _BEGINS_WITHIN}
            if ticket.id in self._running or ticket.id in self._reserved or ticket.id in self._waiting:
                return None
            taken = [*self._running.values(), *(one for one, _ in self._reserved.values())]
            room = sum(one.queue == ticket.queue for one in taken) < self.sizes.get(ticket.queue, 0)
            if self.alone and room and not self._waiting:
                self._reserved[ticket.id] = ticket, now
                return True
            self._waiting.add(ticket.id)
            return False


def _keep_size(instance: DBOS, sizes: Mapping[str, int]) -> None:
    """Set how many tickets this worker runs concurrently, by queue.

    DBOS stores that number in its database, shared by all workers, and reads it before each poll of a queue.
    """
    system = instance._sys_db
    read = system.get_queue

    def get_queue(name: str, **options: Any) -> Any:
        queue = read(name, **options)
        if queue is not None and name in sizes:
            queue._worker_concurrency = sizes[name]
        return queue

    system.get_queue = get_queue  # type: ignore[method-assign]


_current: DurableQueue | None = None


@DBOS.workflow(name=WORKFLOW)
def _train(job_id: str, generation: int, queue: str) -> None:
    if _current is not None:
        _current.work(Ticket(job_id, generation, queue))
