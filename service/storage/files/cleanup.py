"""Remove files from the store that a job no longer needs once it has ended."""

from __future__ import annotations

import logging
from contextlib import suppress

from service.errors import JobNotFound
from service.storage.files.store import ModelStore
from service.storage.registry.registry import Registry
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)


def clear_away(registry: Registry, store: ModelStore, job_id: str) -> None:
    """Remove a job's checkpoint, and the files of attempts that did not become its model, if the job has ended.

    An attempt stores its file before it publishes the model, and may die in between. Errors are logged, never raised.
    """
    try:
        with suppress(JobNotFound):  # deleting its model has deleted the files of its attempts
            job = registry.jobs.get_of_any_tenant(job_id)
            if not job.has_ended:
                return
            store.delete_checkpoint(job_id)
            for attempt in range(1, job.attempt + (job.status != "succeeded")):
                store.delete_model(job.model_id, attempt)
            return
        store.delete_checkpoint(job_id)
    except Exception as error:
        logger.warning("files of job %s could not be removed from the store: %s", job_id, reason(error))
