"""Training jobs in the database, from acceptance to the end. A job has these transitions::

    queued -> running -> succeeded
       |  <-    |   (if its worker died; see `leases`)
       +--------+-----> failed, cancelled

Each transition is one UPDATE conditional on the previous status and attempt, so only one of two concurrent ones wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import JobFinished, ModelFailed, QuotaExceeded, TooManyJobs
from service.storage.identifiers import check_job_id, check_model_id, unknown_job
from service.storage.registry.database import Database
from service.storage.registry.entries import JOB_STATUSES, JSON, UNFINISHED, JobEntry, JobStatus, Page, QueueName
from service.storage.registry.idempotency import find_job_of_key, forget_old_keys, remember_key
from service.storage.registry.models import fail_model, settle_model
from service.storage.registry.pages import read_page
from service.storage.registry.quotas import Quota
from service.storage.registry.tables import jobs, models

_CANCELLED: Mapping[str, JSON] = {
    "slug": ModelFailed.slug,
    "title": "The training was cancelled",
    "detail": "The training was cancelled before the model was ready: train again.",
}


class JobRegistry(Database):
    """Reads and changes jobs, and through them their models; every method may raise Unavailable."""

    def create_training(
        self,
        tenant: str,
        model_id: str,
        job_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        idempotency: tuple[str, str] | None = None,
        queue: QueueName = "cpu",
        traceparent: str | None = None,
        input_bytes: int = 0,
        quota: Quota | None = None,
    ) -> JobEntry:
        """Add a model in training and its queued job; return the job.

        input_bytes: size of the training input in the store.

        ``idempotency`` is (key, hash of the request). If the key was used in the last 24 hours, return the job it
        started, whose ID is not ``job_id``, and add nothing. Raises IdempotencyKeyReused if the key was used with
        another request, and QuotaExceeded or TooManyJobs if the tenant's quota is exhausted.
        """
        check_model_id(model_id)
        check_job_id(job_id)
        try:
            with self._writing() as connection:
                earlier = self._find_idempotent(connection, tenant, idempotency)
                if earlier is not None:
                    return earlier
                if quota is not None:
                    quota.check(connection, tenant, input_bytes, training=True)
                model = {"id": model_id, "name": name, "record": dict(record), "input_bytes": input_bytes}
                job = {"id": job_id, "queue": queue, "traceparent": traceparent}
                return self._insert_training(connection, tenant, model, job, idempotency)
        except (IntegrityError, QuotaExceeded, TooManyJobs):
            # On Postgres, writers do not wait for each other, so another request may have stored the key in between.
            with self._reading() as connection:
                earlier = self._find_idempotent(connection, tenant, idempotency)
            if earlier is None:
                raise
            return earlier

    def find_idempotent(self, tenant: str, key: str, request_hash: str) -> JobEntry | None:
        """Return the job that this key started in the last 24 hours, or None. Raises IdempotencyKeyReused."""
        with self._reading() as connection:
            return self._find_idempotent(connection, tenant, (key, request_hash))

    def job_of(self, tenant: str, job_id: str) -> JobEntry:
        """Return one job of a tenant. Raises JobNotFound, also for a job of another tenant."""
        with self._reading() as connection:
            return _find_job(connection, job_id, tenant)

    def job(self, job_id: str) -> JobEntry:
        """Return one job of any tenant, for callers that serve all tenants. Raises JobNotFound."""
        with self._reading() as connection:
            return _find_job(connection, job_id)

    def jobs(
        self,
        tenant: str,
        status: JobStatus | None = None,
        model_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobEntry]:
        """Return a page of a tenant's jobs, newest first. Raises InvalidOption for an invalid cursor."""
        query = select(jobs).where(jobs.c.tenant == tenant)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if model_id is not None:
            query = query.where(jobs.c.model_id == model_id)
        with self._reading() as connection:
            return read_page(connection, query, jobs, cursor, limit, job_entry)

    def changed_jobs(self, known: Mapping[str, int]) -> dict[str, JobEntry | None]:
        """Return the jobs whose revision differs from the known one; None for deleted jobs.

        known: revisions by job ID. An unchanged job costs only an index lookup.
        """
        with self._reading() as connection:
            query = select(jobs.c.id, jobs.c.revision).where(jobs.c.id.in_(known))
            revisions = {row.id: row.revision for row in connection.execute(query)}
            changed = [job_id for job_id, revision in revisions.items() if revision != known[job_id]]
            found: dict[str, JobEntry | None] = {job_id: None for job_id in known if job_id not in revisions}
            if changed:
                rows = connection.execute(select(jobs).where(jobs.c.id.in_(changed))).mappings()
                found.update({row["id"]: job_entry(row) for row in rows})
            return found

    def count_jobs(self) -> dict[JobStatus, int]:
        """Return the number of jobs by status, including zeros."""
        found = self._count_by_status(jobs)
        return {status: found.get(status, 0) for status in JOB_STATUSES}

    def count_unfinished(self) -> int:
        """Return the number of queued and running jobs, without reading ended jobs."""
        query = select(func.count()).select_from(jobs).where(jobs.c.status.in_(UNFINISHED))
        with self._reading() as connection:
            return connection.execute(query).scalar_one()

    def record_progress(self, job_id: str, attempt: int, progress: Mapping[str, JSON]) -> bool:
        """Store the progress of a training; return False if this attempt is not running."""
        with self._writing() as connection:
            return move_job(connection, job_id, ("running",), "running", attempt, progress=dict(progress))

    def publish(self, job_id: str, attempt: int, record: Mapping[str, JSON], size_bytes: int) -> bool:
        """Make the model of a running job ready, with its record; return False if this attempt does not run any more.

        The file of this attempt must already be in the store. False means that the job was cancelled, deleted, or taken
        over by another worker meanwhile, so the caller must delete the file.
        """
        now = self._clock()
        with self._writing() as connection:
            if not move_job(connection, job_id, ("running",), "succeeded", attempt, **_ended(now)):
                return False
            columns = {"ready_at": now, "record": dict(record), "size_bytes": size_bytes, "attempt": attempt}
            settle_model(connection, _find_job(connection, job_id).model_id, "ready", **columns)
            return True

    def fail_job(self, job_id: str, error: Mapping[str, JSON], attempt: int | None = None) -> bool:
        """Mark a job and its model as failed, with the error in both; return False if the job had already ended.

        attempt: the attempt that failed, which must be running; None: any attempt, or a waiting job.
        """
        with self._writing() as connection:
            return fail(connection, job_id, error, self._clock(), attempt)

    def forget_jobs(self, finished_before: datetime, most: int = 1000) -> int:
        """Delete at most ``most`` jobs that ended before a time; return how many. Their models are kept."""
        old = select(jobs.c.id).where(jobs.c.finished_at < finished_before).limit(most)
        with self._writing() as connection:
            return connection.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount

    def cancel_job(self, tenant: str, job_id: str) -> JobEntry:
        """Mark a tenant's job as cancelled, its model as failed; return the job. Raises JobNotFound, JobFinished."""
        with self._writing() as connection:
            _find_job(connection, job_id, tenant)
            moved = move_job(connection, job_id, UNFINISHED, "cancelled", **_ended(self._clock()))
            job = _find_job(connection, job_id)
            if not moved:
                raise JobFinished(f"The job has already ended ({job.status}): nothing is left to cancel.")
            fail_model(connection, job.model_id, _CANCELLED)
            return job

    def _find_idempotent(
        self, connection: Connection, tenant: str, idempotency: tuple[str, str] | None
    ) -> JobEntry | None:
        if idempotency is None:
            return None
        job_id = find_job_of_key(connection, tenant, *idempotency, now=self._clock())
        return None if job_id is None else _find_job(connection, job_id, tenant)

    def _insert_training(
        self,
        connection: Connection,
        tenant: str,
        model: Mapping[str, Any],
        job: Mapping[str, Any],
        idempotency: tuple[str, str] | None,
    ) -> JobEntry:
        now = self._clock()
        both = {"created_at": now, "tenant": tenant}
        connection.execute(insert(models).values(**both, **model, status="training", job_id=job["id"]))
        begun = {"model_id": model["id"], "status": "queued", "attempt": 0, "progress": {}}
        connection.execute(insert(jobs).values(**both, **job, **begun))
        if idempotency is not None:
            forget_old_keys(connection, now)
            remember_key(connection, tenant, *idempotency, job_id=job["id"], now=now)
        return _find_job(connection, job["id"])


def fail(
    connection: Connection, job_id: str, error: Mapping[str, JSON], now: datetime, attempt: int | None = None
) -> bool:
    """Do what `JobRegistry.fail_job` does, in the caller's transaction."""
    before = UNFINISHED if attempt is None else ("running",)
    if not move_job(connection, job_id, before, "failed", attempt, **_ended(now), error=dict(error)):
        return False
    fail_model(connection, _find_job(connection, job_id).model_id, error)
    return True


def move_job(
    connection: Connection,
    job_id: str,
    before: tuple[str, ...],
    after: JobStatus,
    attempt: int | None = None,
    **columns: Any,
) -> bool:
    """Change a job's status if its status is in ``before`` and its attempt matches; return whether it did.

    attempt: the required attempt; None: any. columns: further columns to set.
    """
    change = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(before))
    if attempt is not None:
        change = change.where(jobs.c.attempt == attempt)
    change = change.values(status=after, revision=jobs.c.revision + 1, **columns)
    return connection.execute(change).rowcount == 1


def _ended(now: datetime) -> dict[str, Any]:
    return {"finished_at": now, "lease_until": None}


def _find_job(connection: Connection, job_id: str, tenant: str | None = None) -> JobEntry:
    """Return one job of a tenant; tenant None: of any tenant. Raises JobNotFound."""
    row = connection.execute(select(jobs).where(jobs.c.id == check_job_id(job_id))).mappings().first()
    if row is None or tenant not in (None, row["tenant"]):
        raise unknown_job(job_id)
    return job_entry(row)


def job_entry(row: RowMapping) -> JobEntry:
    """Return a complete row of the table as an entry."""
    return JobEntry(**row)
