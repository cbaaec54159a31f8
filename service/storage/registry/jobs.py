"""Training jobs in the database, from acceptance to the end. A job has these transitions::

    queued -> running -> succeeded
       |  <-    |   (if its worker died; see `leases`)
       +--------+-----> failed, cancelled

Each transition is one UPDATE conditional on the previous status and attempt, so only one of two concurrent ones wins.

A request sent twice with the same idempotency key starts only one job:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import IdempotencyKeyReused, JobFinished, ModelFailed, QuotaExceeded, RetrainingRunning, TooManyJobs
from service.storage.identifiers import check_id, unknown_job, unknown_model
from service.storage.registry.database import Database
from service.storage.registry.entries import JSON, UNFINISHED, JobEntry, JobStatus, ModelStatus, Page, QueueName
from service.storage.registry.maintenance.lines import open_line
from service.storage.registry.pagination import read_page
from service.storage.registry.quotas import Quota, lock_tenant
from service.storage.registry.tables import idempotency_keys, jobs, models

Idempotency = tuple[str, str]
"""A client's key, and a hash of the request."""

KEY_LIFETIME = timedelta(hours=24)
KEY_REUSED = (
    "This idempotency key was used for another request in the last 24 hours. Send a new key, or the same request again."
)
_CANCELLED: Mapping[str, JSON] = {
    "slug": ModelFailed.slug,
    "title": "The training was cancelled",
    "detail": "The training was cancelled before the model was ready: train again.",
}


@dataclass(frozen=True)
class QueueMetrics:
    """Metrics of one queue: numbers of waiting and running jobs, and when the oldest waiting job was accepted (UTC)."""

    waiting: int = 0
    running: int = 0
    oldest: datetime | None = None


class Jobs:
    """Reads and changes jobs, and through them their models; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        tenant: str,
        model_id: str,
        job_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        idempotency: Idempotency | None = None,
        queue: QueueName = "cpu",
        traceparent: str | None = None,
        input_bytes: int = 0,
        quota: Quota | None = None,
        columns: Mapping[str, Any] | None = None,
        parent: str | None = None,
    ) -> JobEntry:
        """Add a model in training and its queued job; return the job.

        input_bytes: size of the training input in the store; columns: further columns of the model; parent: the model
        that it is retrained from; idempotency: if the key was used in the last 24 hours, return the job it started,
        whose ID is not ``job_id``, and add nothing. Raises IdempotencyKeyReused if the key was used with another
        request, QuotaExceeded or TooManyJobs if the tenant's quota is exhausted, and for a parent what `open_line`
        raises.
        """
        model = {"id": check_id(model_id, unknown_model), "name": name, "input_bytes": input_bytes, "job_id": job_id}
        model |= columns or {}
        job = {"id": check_id(job_id, unknown_job), "model_id": model_id, "queue": queue, "traceparent": traceparent}
        try:
            with self._database.writing() as connection:
                if earlier := self._job_of_key(connection, tenant, idempotency):
                    return earlier
                if quota is not None:
                    quota.check(connection, tenant, input_bytes, training=True)
                if parent is not None:
                    lock_tenant(connection, tenant)
                    opened = open_line(connection, tenant, parent)
                    model |= {"parent_id": parent, "root_id": opened.root_id or parent}
                both = {"tenant": tenant, "created_at": self._database.clock()}
                connection.execute(insert(models).values(**both, **model, status="training", record=dict(record)))
                connection.execute(insert(jobs).values(**both, **job, status="queued", attempt=0, progress={}))
                self._store_key(connection, tenant, idempotency, job_id)
                return find_job(connection, job_id)
        except (IntegrityError, QuotaExceeded, TooManyJobs, RetrainingRunning):
            # On Postgres, writers do not wait for each other, so another request may have stored the key in between.
            with self._database.reading() as connection:
                earlier = self._job_of_key(connection, tenant, idempotency)
            if earlier is None:
                raise
            return earlier

    def find_idempotent(self, tenant: str, key: str, request_hash: str) -> JobEntry | None:
        """Return the job that this key started in the last 24 hours, or None. Raises IdempotencyKeyReused."""
        with self._database.reading() as connection:
            return self._job_of_key(connection, tenant, (key, request_hash))

    def get(self, tenant: str, job_id: str) -> JobEntry:
        """Return one job of a tenant. Raises JobNotFound, also for a job of another tenant."""
        with self._database.reading() as connection:
            return find_job(connection, job_id, tenant)

    def get_of_any_tenant(self, job_id: str) -> JobEntry:
        """Return one job, for callers that serve all tenants. Raises JobNotFound."""
        with self._database.reading() as connection:
            return find_job(connection, job_id)

    def list(
        self,
        tenant: str,
        status: JobStatus | None = None,
        model_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobEntry]:
        """Return a page of a tenant's jobs, newest first. Raises InvalidOption for an invalid cursor."""
        with self._database.reading() as connection:
            texts = {"tenant": tenant, "status": status, "model_id": model_id}
            return read_page(connection, jobs, job_entry, cursor, limit, (), **texts)

    def changed(self, known: Mapping[str, int]) -> dict[str, JobEntry | None]:
        """Return the jobs whose revision differs from the known one; None for deleted jobs.

        known: revisions by job ID. An unchanged job costs only an index lookup.
        """
        with self._database.reading() as connection:
            query = select(jobs.c.id, jobs.c.revision).where(jobs.c.id.in_(known))
            revisions = {row.id: row.revision for row in connection.execute(query)}
            changed = [job_id for job_id, revision in revisions.items() if revision != known[job_id]]
            found: dict[str, JobEntry | None] = {job_id: None for job_id in known if job_id not in revisions}
            if changed:
                rows = connection.execute(select(jobs).where(jobs.c.id.in_(changed))).mappings()
                found.update({row["id"]: job_entry(row) for row in rows})
            return found

    def count_unfinished(self) -> int:
        """Return the number of queued and running jobs, without reading ended jobs."""
        query = select(func.count()).select_from(jobs).where(jobs.c.status.in_(UNFINISHED))
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def queue_metrics(self) -> dict[str, QueueMetrics]:
        """Return the metrics of each queue that has unfinished jobs, without reading ended jobs."""
        waits, runs = (jobs.c.status == status for status in UNFINISHED)
        query = select(
            jobs.c.queue,
            func.count().filter(waits),
            func.count().filter(runs),
            func.min(jobs.c.created_at).filter(waits),
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.where(jobs.c.status.in_(UNFINISHED)).group_by(jobs.c.queue))
            return {queue: QueueMetrics(*metrics) for queue, *metrics in rows}

    def record_progress(self, job_id: str, attempt: int, progress: Mapping[str, JSON]) -> bool:
        """Store the progress of a training; return False if this attempt is not running."""
        with self._database.writing() as connection:
            return move_job(connection, job_id, ("running",), "running", attempt, progress=dict(progress)) is not None

    def fail(self, job_id: str, error: Mapping[str, JSON], attempt: int | None = None) -> bool:
        """Mark a job and its model as failed, with the error in both; return False if the job had already ended.

        attempt: the attempt that failed, which must be running; None: any attempt, or a waiting job.
        """
        with self._database.writing() as connection:
            return fail_job(connection, job_id, error, self._database.clock(), attempt)

    def cancel(self, tenant: str, job_id: str) -> JobEntry:
        """Mark a tenant's job as cancelled, its model as failed; return the job. Raises JobNotFound, JobFinished."""
        with self._database.writing() as connection:
            find_job(connection, job_id, tenant)
            model_id = move_job(connection, job_id, UNFINISHED, "cancelled", finished_at=self._database.clock())
            job = find_job(connection, job_id)
            if model_id is None:
                raise JobFinished(f"The job has already ended ({job.status}), so it cannot be cancelled.")
            set_model_status(connection, "failed", _CANCELLED, models.c.id == model_id)
            return job

    def forget(self, finished_before: datetime, most: int = 1000) -> int:
        """Delete at most ``most`` jobs that ended before a time; return how many. Their models are kept."""
        old = select(jobs.c.id).where(jobs.c.finished_at < finished_before).limit(most)
        with self._database.writing() as connection:
            return connection.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount

    def _job_of_key(self, connection: Connection, tenant: str, idempotency: Idempotency | None) -> JobEntry | None:
        if idempotency is None:
            return None
        key, request_hash = idempotency
        query = select(idempotency_keys.c.request_hash, idempotency_keys.c.job_id).where(
            idempotency_keys.c.tenant == tenant,
            idempotency_keys.c.key == key,
            idempotency_keys.c.created_at > self._database.clock() - KEY_LIFETIME,
        )
        row = connection.execute(query).first()
        if row is None:
            return None
        if row.request_hash != request_hash:
            raise IdempotencyKeyReused(KEY_REUSED)
        return find_job(connection, row.job_id, tenant)

    def _store_key(self, connection: Connection, tenant: str, idempotency: Idempotency | None, job_id: str) -> None:
        """Store a key with the job it started, and delete old ones. Raises IntegrityError if the key is stored."""
        if idempotency is None:
            return
        now, (key, request_hash) = self._database.clock(), idempotency
        connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= now - KEY_LIFETIME))
        row = {"tenant": tenant, "key": key, "request_hash": request_hash, "job_id": job_id, "created_at": now}
        connection.execute(insert(idempotency_keys).values(row))


def fail_job(
    connection: Connection, job_id: str, error: Mapping[str, JSON], now: datetime, attempt: int | None = None
) -> bool:
    """Do what `Jobs.fail` does, in the caller's transaction."""
    before = UNFINISHED if attempt is None else ("running",)
    model_id = move_job(connection, job_id, before, "failed", attempt, finished_at=now, error=dict(error))
    return model_id is not None and set_model_status(connection, "failed", error, models.c.id == model_id)


def move_job(
    connection: Connection,
    job_id: str,
    before: tuple[str, ...],
    after: JobStatus,
    attempt: int | None = None,
    **columns: Any,
) -> str | None:
    """Change a job's status if its status is in ``before`` and its attempt matches; return the ID of its model.

    Return None if the job was not changed. attempt: the required attempt; None: any. columns: further columns to set.
    """
    change = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(before))
    if attempt is not None:
        change = change.where(jobs.c.attempt == attempt)
    if after not in UNFINISHED:
        columns["lease_until"] = None
    change = change.values(status=after, revision=jobs.c.revision + 1, **columns)
    return connection.execute(change.returning(jobs.c.model_id)).scalar()


def set_model_status(
    connection: Connection, status: ModelStatus, error: Mapping[str, JSON] | None, *which: ColumnElement[bool]
) -> bool:
    """Set the status of one model, and the error in its record; return False if there is no such model."""
    record = connection.execute(select(models.c.record).where(*which).with_for_update()).scalar()
    if record is None:
        return False
    record = {name: value for name, value in record.items() if name != "error"}
    if error is not None:
        record["error"] = dict(error)
    connection.execute(update(models).where(*which).values(status=status, record=record))
    return True


def find_job(connection: Connection, job_id: str, tenant: str | None = None) -> JobEntry:
    """Return one job of a tenant, tenant None: of any tenant, in the caller's transaction. Raises JobNotFound."""
    row = connection.execute(select(jobs).where(jobs.c.id == check_id(job_id, unknown_job))).mappings().first()
    if row is None or tenant not in (None, row["tenant"]):
        raise unknown_job(job_id)
    return job_entry(row)


def job_entry(row: RowMapping) -> JobEntry:
    """Return a complete row of the table as an entry."""
    return JobEntry(**{column.key: row[column] for column in jobs.c})
