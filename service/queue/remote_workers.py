"""The training queue of a server without a worker of its own: jobs are queued for workers elsewhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.queue.database import APPLICATION, VERSION, WORKFLOW
from service.queue.tickets import Ticket
from service.telemetry.logs import reason

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions

logger = logging.getLogger(__name__)


class RemoteWorkers:
    """The training queue of a server without a worker; see `TrainingQueue` for the methods.

    Cancelling needs no message: a worker checks several times a second whether it still holds the jobs it runs.
    """

    def __init__(self, queue_url: str) -> None:
        self._queue_url = queue_url
        self._lock = threading.Lock()
        self._client: DBOSClient | None = None

    def start(self) -> None:
        """Import DBOS and connect in the background, so that the first request does not wait for it."""
        threading.Thread(target=self._connected, name="queue-client", daemon=True).start()

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Put tickets into their queues; if that fails, a worker soon finds the jobs in the registry."""
        try:
            client = self._connected()
            for ticket in tickets:
                options: EnqueueOptions = {
                    "workflow_name": WORKFLOW,
                    "queue_name": ticket.queue,
                    "workflow_id": ticket.id,
                    "app_version": VERSION,
                    "application_name": APPLICATION,
                }
                client.enqueue(options, *ticket)
        except Exception as error:
            logger.warning("%d jobs could not be queued now, a worker will find them: %s", len(tickets), reason(error))

    def cancel(self, job_id: str) -> None:
        """Do nothing: the worker that runs the job sees the cancellation in the registry."""

    def failure(self) -> None:
        """Return None: workers run elsewhere."""

    def stop(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._client is not None:
                self._client.destroy()
                self._client = None

    def _connected(self) -> DBOSClient:
        from dbos import DBOSClient

        from service.queue.dbos_queue import JsonSerializer

        with self._lock:
            if self._client is None:
                self._client = DBOSClient(
                    system_database_url=self._queue_url,
                    serializer=JsonSerializer(),
                    application_name=APPLICATION,
                    lazy=True,
                    retry_connection_errors=False,
                )
            return self._client
