"""Looking jobs up, cancelling them, and taking up what a stopped server left."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from service.storage.entries import JobEntry, JobStatus, Page
from service.usecases.placement import was_large
from service.usecases.resources import Resources


def list_jobs(resources: Resources, status: JobStatus | None, cursor: str | None, limit: int) -> Page[JobEntry]:
    """Return a page of jobs, newest first. Raises InvalidOption for a broken cursor."""
    return resources.registry.jobs(status=status, cursor=cursor, limit=limit)


def show_job(resources: Resources, job_id: str) -> JobEntry:
    """Return one job. Raises JobNotFound."""
    return resources.registry.job(job_id)


def cancel_job(resources: Resources, job_id: str) -> None:
    """Stop a job for good. Raises JobNotFound, JobFinished."""
    resources.registry.cancel_job(job_id)
    resources.queue.cancel(job_id)


def take_up_jobs(resources: Resources) -> int:
    """Queue again what was queued or running when the server stopped; return how many."""
    job_ids = resources.registry.requeue_running()
    # To tell large ones apart, their data are read again: the start does not wait for that.
    if resources.queue.divided:
        threading.Thread(target=_submit_by_size, args=(resources, job_ids), name="take-up", daemon=True).start()
    else:
        for job_id in job_ids:
            resources.queue.submit(job_id)
    return len(job_ids)


def _submit_by_size(resources: Resources, job_ids: Sequence[str]) -> None:
    for job_id in job_ids:
        resources.queue.submit(job_id, was_large(resources.store, job_id))
