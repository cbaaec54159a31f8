"""A listener that is told again where it could not listen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from service.errors import ServiceError, TrainingFailed
from service.jobs.patience import PATIENCE_SECONDS, Result, insist
from service.jobs.queue import JobListener, Outcome, Progress, Ticket
from service.telemetry.exception_text import reason

logger = logging.getLogger(__name__)


class PatientListener:
    """Wraps a listener; its methods are those of `JobListener`.

    stopping: ends all waiting. patience: seconds after which an event is given up.
    """

    def __init__(self, listener: JobListener, stopping: threading.Event, patience: float = PATIENCE_SECONDS) -> None:
        self._listener = listener
        self._stopping = stopping
        self._patience = patience

    def claim(self, ticket: Ticket) -> int | None:
        """Ask until there is an answer. Raises what the listener raised last."""
        return self._insist(ticket.job_id, lambda: self._listener.claim(ticket))

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        """Tell once: there will be newer progress, and a training is worth more than what is told of it."""
        try:
            self._listener.progressed(job_id, attempt, progress)
        except Exception as error:
            logger.warning("the progress of job %s could not be kept: %s", job_id, reason(error))

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        """Tell once, like progress."""
        try:
            self._listener.checkpointed(job_id, attempt, data)
        except Exception as error:
            logger.warning("a checkpoint of job %s could not be kept: %s", job_id, reason(error))

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> Ticket | None:
        """Tell until it is heard; where that never comes, have the job tried again, as if its child had died.

        What was accepted must survive a database that is away for longer than our patience. Returns the next ticket.
        """
        try:
            self._insist(job_id, lambda: self._listener.succeeded(job_id, attempt, outcome))
        except Exception as error:
            logger.exception("the model of job %s could not be kept", job_id)
            # A job that is still running when the trainer stops is put back and run again.
            if not self._stopping.is_set():
                lost = f"the model was trained but could not be stored ({reason(error)}): train again"
                return self.died(job_id, attempt, TrainingFailed(lost))
        return None

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        """Tell until it is heard; log where that never comes: its lease will run out."""
        try:
            self._insist(job_id, lambda: self._listener.failed(job_id, attempt, error))
        except Exception:
            logger.exception("job %s failed and nobody could be told: %s", job_id, reason(error))

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        """Tell until it is heard; log where that never comes: its lease will run out."""
        try:
            return self._insist(job_id, lambda: self._listener.died(job_id, attempt, error))
        except Exception:
            logger.exception("the child of job %s died and nobody could be told: %s", job_id, reason(error))
            return None

    def _insist(self, job_id: str, tell: Callable[[], Result]) -> Result:
        def failed(error: Exception) -> None:
            logger.warning("what became of job %s could not be kept, next try soon: %s", job_id, reason(error))

        patience = 0.0 if self._stopping.is_set() else self._patience
        return insist(tell, failed, patience, self._stopping.wait)
