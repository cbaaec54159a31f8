"""A listener that is told again where it could not listen: a database may be busy, a disk full for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from service.errors import ServiceError, TrainingFailed
from service.jobs.queue import JobListener, Outcome, Progress

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE_SECONDS = 60.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


class PatientListener:
    """Wraps a listener; its methods are those of `JobListener`.

    stopping: ends all waiting. patience: seconds after which an event is given up.
    """

    def __init__(self, listener: JobListener, stopping: threading.Event, patience: float = PATIENCE_SECONDS) -> None:
        self._listener = listener
        self._stopping = stopping
        self._patience = patience

    def started(self, job_id: str) -> bool:
        """Ask until there is an answer. Raises what the listener raised last."""
        return self._insist(job_id, lambda: self._listener.started(job_id))

    def progressed(self, job_id: str, progress: Progress) -> None:
        """Tell once: there will be newer progress, and a training is worth more than what is told of it."""
        try:
            self._listener.progressed(job_id, progress)
        except Exception as error:
            logger.warning("the progress of job %s could not be kept: %s", job_id, error)

    def succeeded(self, job_id: str, outcome: Outcome) -> None:
        """Tell until it is heard; where that never comes, tell that the job failed."""
        try:
            self._insist(job_id, lambda: self._listener.succeeded(job_id, outcome))
        except Exception:
            logger.exception("the model of job %s could not be kept", job_id)
            # A job that is still running when the server stops is run again by the next one.
            if not self._stopping.is_set():
                lost = "the model was trained but could not be stored; the server's log says why: train again"
                self.failed(job_id, TrainingFailed(lost))

    def failed(self, job_id: str, error: ServiceError) -> None:
        """Tell until it is heard; log where that never comes."""
        try:
            self._insist(job_id, lambda: self._listener.failed(job_id, error))
        except Exception:
            logger.exception("job %s stays running until the server starts anew: %s", job_id, error)

    def _insist(self, job_id: str, tell: Callable[[], Result]) -> Result:
        deadline, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            try:
                return tell()
            except Exception as error:
                left = deadline - time.monotonic()
                if left <= 0 or self._stopping.is_set():
                    raise
                logger.warning("what became of job %s could not be kept, next try soon: %s", job_id, error)
            self._stopping.wait(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
