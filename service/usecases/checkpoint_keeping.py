"""Keeping what children tell of long trainings, until their jobs end."""

from __future__ import annotations

import logging

from service.errors import JobNotFound
from service.storage.model_store import ModelStore
from service.storage.registry import Registry
from service.telemetry.exception_text import reason

logger = logging.getLogger(__name__)


def keep_checkpoint(registry: Registry, store: ModelStore, job_id: str, attempt: int, data: bytes) -> None:
    """Store what the child of an attempt sent, where the attempt still runs; what fails is logged, never raised.

    Whoever ends a job writes that into the registry first, and then removes the checkpoint: so it is looked at again
    after storing, and none is left behind.
    """
    try:
        if not _runs(registry, job_id, attempt):
            return
        store.put_checkpoint(job_id, data)
        if not _runs(registry, job_id):
            store.delete_checkpoint(job_id)
    except Exception as error:
        logger.warning("a checkpoint of job %s could not be kept: %s", job_id, reason(error))


def _runs(registry: Registry, job_id: str, attempt: int | None = None) -> bool:
    """Tell whether an attempt at a job runs; None: whether one does or will."""
    try:
        job = registry.job(job_id)
    except JobNotFound:
        return False
    if attempt is None:
        return not job.has_ended
    return job.status == "running" and job.attempt == attempt
