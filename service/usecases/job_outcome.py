"""What the registry and the store learn of each job."""

from __future__ import annotations

import logging

from service.errors import JobNotFound, ServiceError
from service.jobs.queue import Outcome, Progress
from service.storage.model_store import ModelStore
from service.storage.registry import Registry
from service.usecases.job_ends import JobEnds

logger = logging.getLogger(__name__)


class JobRecorder:
    """The queue's listener."""

    def __init__(self, registry: Registry, store: ModelStore, ends: JobEnds) -> None:
        self._registry = registry
        self._store = store
        self._ends = ends

    def started(self, job_id: str) -> bool:
        """Mark the job as running; False where it was cancelled or deleted."""
        return self._registry.start_job(job_id)

    def progressed(self, job_id: str, progress: Progress) -> None:
        """Keep the progress for GET /jobs/{id}."""
        self._registry.record_progress(job_id, progress)

    def succeeded(self, job_id: str, outcome: Outcome) -> None:
        """Store the file, then publish the model; what was cancelled or deleted meanwhile leaves nothing.

        May be called again where it raised.
        """
        try:
            job = self._registry.job(job_id)
        except JobNotFound:
            return
        if job.status == "succeeded":
            self._ends.told(job_id)
            return
        model_id = job.model_id
        # A server that died, or an earlier call that raised, between storing and publishing left a file behind.
        self._store.delete_model(model_id)
        self._store.put_model(model_id, outcome.file)
        if self._registry.publish(job_id, outcome.record, len(outcome.file)):
            logger.info("job %s: model %s is ready", job_id, model_id)
        else:
            self._store.delete_model(model_id)
        self._ends.told(job_id)

    def failed(self, job_id: str, error: ServiceError) -> None:
        """Keep the reason."""
        self._registry.fail_job(job_id, error.to_record())
        self._ends.told(job_id)
        logger.info("job %s failed: %s", job_id, error.slug)
