"""The queues, on DBOS Transact: tickets wait in its database until a trainer takes them.

https://docs.dbos.dev/python. DBOS is one instance a process, and so is `DurableQueue`. A workflow is one ticket; only
the registry knows whether it still counts, so that a workflow that DBOS runs again after a crash can do no harm.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
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
        """Return JSON; what is no JSON, an exception say, as its text."""
        return orjson.dumps(data, default=str).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Undo `serialize`."""
        return orjson.loads(serialized_data)

    def name(self) -> str:
        """Return what is kept beside the data."""
        return "json"


# Seconds; beyond, a ticket that was to be run at once had been used up before.
_BEGINS_WITHIN = 5.0
_KEPT = timedelta(minutes=10)
_FORGOTTEN_AT_ONCE = 1000
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Place(NamedTuple):
    """Where a ticket is: waiting in a queue, taken by an executor, or used up."""

    status: str
    executor: str | None

    @property
    def waits(self) -> bool:
        """Whether some trainer will take it."""
        return self.status in ("ENQUEUED", "DELAYED")

    @property
    def is_taken(self) -> bool:
        """Whether an executor has it in hand."""
        return self.status == "PENDING"


class DurableQueue:
    """Puts tickets into queues and runs those that are its turn.

    run: called with each ticket, in a thread of its own. sizes: how many at once, by queue. alone: no other trainer
    takes from these queues; then a ticket for which there is room is run at once, and one more than there is room for
    is taken ahead, so that a job follows on the other without a gap.
    """

    def __init__(
        self,
        url: str,
        executor: str,
        sizes: Mapping[str, int],
        run: Callable[[Ticket], None],
        alone: bool,
        poll_seconds: float,
    ) -> None:
        self._url = url
        self._executor = executor
        self._sizes = sizes
        self._run = run
        self._alone = alone
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._running: dict[str, Ticket] = {}
        self._reserved: dict[str, tuple[Ticket, float]] = {}
        self._waiting: set[str] = set()

    def launch(self) -> None:
        """Open the queues and begin to take tickets. Raises Unavailable where DBOS cannot use its database."""
        global _current
        _current = self
        try:
            self._launch()
        except Exception as error:
            raise Unavailable(f"the queue cannot be opened: {reason(error)}") from error

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._url,
            "db_engine_kwargs": engine_options(self._url),
            "executor_id": self._executor,
            "application_version": VERSION,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": 0.5,
        }
        instance = DBOS(config=config)
        DBOS.listen_queues(list(self._sizes))
        DBOS.launch()
        _keep_size(instance, {name: size + self._alone for name, size in self._sizes.items()})
        for name in self._sizes:
            # In the database 1, which is never more than anybody can run.
            DBOS.register_queue(
                name, worker_concurrency=1, polling_interval_sec=self._poll_seconds, on_conflict="always_update"
            )

    def submit(self, ticket: Ticket) -> None:
        """Run a ticket at once where nothing stands before it, else put it into its queue; one that is there stays."""
        at_once = self._reserve(ticket)
        if at_once is None:
            return
        with SetWorkflowID(ticket.id):
            if at_once:
                DBOS.start_workflow(_train, *ticket)
            else:
                DBOS.enqueue_workflow(ticket.queue, _train, *ticket)

    def places(self, tickets: Iterable[Ticket]) -> dict[str, Place]:
        """Tell where tickets are, by their IDs; those that are nowhere are left out."""
        found = DBOS.list_workflows(workflow_ids=[ticket.id for ticket in tickets], load_input=False, load_output=False)
        places = {one.workflow_id: Place(one.status, one.executor_id) for one in found}
        with self._lock:
            self._waiting &= {name for name, place in places.items() if place.waits}
        return places

    def forget_old(self) -> int:
        """Remove used tickets; return how many."""
        before = (datetime.now(UTC) - _KEPT).isoformat()
        used = DBOS.list_workflows(
            status=_ENDED, completed_before=before, limit=_FORGOTTEN_AT_ONCE, load_input=False, load_output=False
        )
        if used:
            DBOS.delete_workflows([one.workflow_id for one in used])
        return len(used)

    def destroy(self) -> None:
        """Take no more tickets; what runs must have ended."""
        global _current
        # Its threads complain of what is taken from under them.
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS.destroy()
        _current = None

    def work(self, ticket: Ticket) -> None:
        """Run a ticket whose turn it is."""
        with self._lock:
            self._waiting.discard(ticket.id)
            self._reserved.pop(ticket.id, None)
            self._running[ticket.id] = ticket
        try:
            self._run(ticket)
        except Exception as error:
            # Whoever looks after the queue finds the job still waiting, and gives it another ticket.
            logger.warning("job %s could not be run: %s", ticket.job_id, reason(error))
        finally:
            with self._lock:
                del self._running[ticket.id]

    def _reserve(self, ticket: Ticket) -> bool | None:
        """Tell whether a ticket is to be run at once, and keep its place; None: it is in hand already."""
        now = time.monotonic()
        with self._lock:
            # One that was used up before it came here again never begins.
            self._reserved = {name: one for name, one in self._reserved.items() if now - one[1] < _BEGINS_WITHIN}
            if ticket.id in self._running or ticket.id in self._reserved or ticket.id in self._waiting:
                return None
            taken = [*self._running.values(), *(one for one, _ in self._reserved.values())]
            room = sum(one.queue == ticket.queue for one in taken) < self._sizes.get(ticket.queue, 0)
            if self._alone and room and not self._waiting:
                self._reserved[ticket.id] = ticket, now
                return True
            self._waiting.add(ticket.id)
            return False


def _keep_size(instance: DBOS, sizes: Mapping[str, int]) -> None:
    """Have this executor take so many tickets at once.

    DBOS keeps that in its database, the same for all executors, and reads it before each look into a queue.
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
def _train(job_id: str, dispatch: int, queue: str) -> None:
    if _current is not None:
        _current.work(Ticket(job_id, dispatch, queue))
