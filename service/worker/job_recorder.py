"""Record the events of each attempt at a job in the registry and the store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from service.errors import Conflict, JobNotFound, ServiceError, TrainingFailed
from service.queue.tickets import JobListener, Outcome, Progress, Ticket, ticket_of
from service.storage.files.cleanup import clear_away
from service.storage.files.store import ModelStore
from service.storage.registry.entries import JobEntry
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.telemetry.logs import reason
from service.worker.checkpoints import keep_checkpoint
from service.worker.publication import publish
from service.worker.retry import RETRY_SECONDS, Result, retry

logger = logging.getLogger(__name__)

MOST_DEATHS = 3
"""A job fails when its child process has died this many times, so that it cannot crash more of them."""


@dataclass(frozen=True)
class JobRecorder:
    """The worker's `JobListener`; notify_finished: called with the ID of each job that has ended."""

    registry: Registry
    store: ModelStore
    holder: LeaseHolder
    notify_finished: Callable[[str], None]

    def claim(self, ticket: Ticket) -> int | None:
        """Mark the job as running; return the attempt, or None if it was cancelled or deleted or has a newer ticket."""
        return self.registry.leases.claim(ticket.job_id, ticket.generation, self.holder.id, self.holder.seconds)

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        """Store the progress for GET /jobs/{id}."""
        self.registry.jobs.record_progress(job_id, attempt, progress)

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        """Store the checkpoint for another attempt."""
        keep_checkpoint(self.registry, self.store, job_id, attempt, data)

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> None:
        """Store the file, then publish the model; leave no file if the job was cancelled, deleted or taken over.

        May be called again after it has raised.
        """
        try:
            job = self.registry.jobs.get_of_any_tenant(job_id)
        except JobNotFound:
            return
        if job.attempt == attempt and job.status == "running":
            self._publish(job, attempt, outcome)
        elif job.attempt != attempt or job.status != "succeeded":
            # An earlier call that raised may have left the file.
            self.store.delete_model(job.model_id, attempt)
        self._end(job_id)

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        """Mark the job as failed and store the reason."""
        if self.registry.jobs.fail(job_id, error.to_record(), attempt):
            logger.info("job %s failed: %s", job_id, error.slug)
        self._end(job_id)

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        """Put the job back, or mark it as failed if its child processes have died too often."""
        back = self.registry.leases.count_death(job_id, attempt, MOST_DEATHS, error.to_record())
        if back is not None:
            logger.warning("job %s is run again: %s", job_id, error.detail)
            return ticket_of(back)
        self._end(job_id)
        return None

    def _end(self, job_id: str) -> None:
        self.notify_finished(job_id)
        # Afterwards, so that clients waiting for the model do not wait for this.
        clear_away(self.registry, self.store, job_id)

    def _publish(self, job: JobEntry, attempt: int, outcome: Outcome) -> None:
        # An earlier call that raised may have left the file; nothing else writes files of this attempt.
        with suppress(Conflict):
            self.store.put_model(job.model_id, outcome.file, attempt)
        if publish(self.registry, self.store, job, attempt, outcome):
            logger.info("job %s: model %s is ready", job.id, job.model_id)
        else:
            self.store.delete_model(job.model_id, attempt)
            logger.info("job %s: the result of attempt %d is discarded", job.id, attempt)


@dataclass(frozen=True)
class RetryingListener:
    """Wraps a listener and retries its calls; its methods are those of `JobListener`.

    stopping: when set, no call is retried any more. seconds_limit: seconds after which retrying is given up.
    """

    listener: JobListener
    stopping: threading.Event
    seconds_limit: float = RETRY_SECONDS

    def claim(self, ticket: Ticket) -> int | None:
        """Retry until the listener answers. Raises the last error of the listener."""
        return self._retry(ticket.job_id, lambda: self.listener.claim(ticket))

    def progressed(self, job_id: str, attempt: int, progress: Progress) -> None:
        """Report once, without retries: newer progress will follow, and must not delay the training."""
        try:
            self.listener.progressed(job_id, attempt, progress)
        except Exception as error:
            logger.warning("the progress of job %s could not be stored: %s", job_id, reason(error))

    def checkpointed(self, job_id: str, attempt: int, data: bytes) -> None:
        """Report once, without retries, like progress."""
        try:
            self.listener.checkpointed(job_id, attempt, data)
        except Exception as error:
            logger.warning("a checkpoint of job %s could not be stored: %s", job_id, reason(error))

    def succeeded(self, job_id: str, attempt: int, outcome: Outcome) -> Ticket | None:
        """Retry until the outcome is recorded; if that fails, have the job run again, as if its child had died.

        An accepted job must survive a database that is unavailable for longer than ``seconds_limit``. Return the job's
        next ticket, if any.
        """
        try:
            self._retry(job_id, lambda: self.listener.succeeded(job_id, attempt, outcome))
        except Exception as error:
            logger.exception("the model of job %s could not be stored", job_id)
            # A job that is still running when the worker stops is put back and run again.
            if not self.stopping.is_set():
                lost = f"the model was trained but could not be stored ({reason(error)}): train again"
                return self.died(job_id, attempt, TrainingFailed(lost))
        return None

    def failed(self, job_id: str, attempt: int, error: ServiceError) -> None:
        """Retry until the error is recorded; if that fails, log it: the job's lease will expire."""
        self._retry_or_log(job_id, lambda: self.listener.failed(job_id, attempt, error), error)

    def died(self, job_id: str, attempt: int, error: ServiceError) -> Ticket | None:
        """Retry until the death is recorded; if that fails, log it: the job's lease will expire."""
        return self._retry_or_log(job_id, lambda: self.listener.died(job_id, attempt, error), error)

    def _retry_or_log(self, job_id: str, report: Callable[[], Result], error: ServiceError) -> Result | None:
        try:
            return self._retry(job_id, report)
        except Exception:
            logger.exception("the end of job %s could not be recorded: %s", job_id, reason(error))
            return None

    def _retry(self, job_id: str, report: Callable[[], Result]) -> Result:
        def failed(error: Exception) -> None:
            logger.warning("an event of job %s could not be recorded and is retried: %s", job_id, reason(error))

        seconds_limit = 0.0 if self.stopping.is_set() else self.seconds_limit
        return retry(report, failed, seconds_limit, self.stopping.wait)
