"""List, show and cancel jobs."""

from __future__ import annotations

from service.storage.files.cleanup import clear_away
from service.storage.registry.entries import JobEntry, JobStatus, Page
from service.usecases.context import Resources


def list_jobs(
    resources: Resources, tenant: str, status: JobStatus | None, cursor: str | None, limit: int
) -> Page[JobEntry]:
    """Return a page of a tenant's jobs, newest first. Raises InvalidOption for an invalid cursor."""
    return resources.registry.jobs(tenant, status=status, cursor=cursor, limit=limit)


def show_job(resources: Resources, tenant: str, job_id: str) -> JobEntry:
    """Return one job of a tenant. Raises JobNotFound."""
    return resources.registry.job_of(tenant, job_id)


def cancel_job(resources: Resources, tenant: str, job_id: str) -> None:
    """Cancel a tenant's job permanently. Raises JobNotFound, JobFinished."""
    resources.registry.cancel_job(tenant, job_id)
    resources.queue.cancel(job_id)
    clear_away(resources.registry, resources.store, job_id)
