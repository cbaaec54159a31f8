"""Training jobs in the database, from acceptance to the end. A job moves one way only::

    queued -> running -> succeeded
       |  <-    |   (a restart puts it back)
       +--------+-----> failed, cancelled

Each step is one UPDATE that names the status it starts from, so that of two who try, one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import JobFinished, ModelFailed
from service.storage.database import Database
from service.storage.entries import JOB_STATUSES, JSON, JobEntry, JobStatus, Page
from service.storage.idempotency import find_job_of_key, forget_old_keys, remember_key
from service.storage.identifiers import check_job_id, check_model_id, unknown_job
from service.storage.model_registry import fail_model, settle_model
from service.storage.pages import read_page
from service.storage.tables import jobs, models

_UNFINISHED = ("queued", "running")
_CANCELLED: Mapping[str, JSON] = {
    "slug": ModelFailed.slug,
    "title": "The training was cancelled",
    "detail": "The training was cancelled before the model was ready: train again.",
}


class JobRegistry(Database):
    """What happens to jobs, and through them to their models; every method may raise Unavailable."""

    def create_training(
        self,
        model_id: str,
        job_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        idempotency: tuple[str, str] | None = None,
    ) -> JobEntry:
        """Add a model in training and its queued job; return the job.

        ``idempotency`` is (key, hash of the request). A key used in the last 24 hours returns the job it started, whose
        ID then is not ``job_id``, and adds nothing. Raises IdempotencyKeyReused where it came with another request.
        """
        check_model_id(model_id)
        check_job_id(job_id)
        try:
            with self._writing() as connection:
                earlier = self._find_idempotent(connection, idempotency)
                return earlier or self._insert_training(connection, model_id, job_id, name, record, idempotency)
        except IntegrityError:
            # Where writers do not wait for each other (Postgres), the same key may have come in between.
            with self._reading() as connection:
                earlier = self._find_idempotent(connection, idempotency)
            if earlier is None:
                raise
            return earlier

    def find_idempotent(self, key: str, request_hash: str) -> JobEntry | None:
        """Return the job that this key started in the last 24 hours. Raises IdempotencyKeyReused."""
        with self._reading() as connection:
            return self._find_idempotent(connection, (key, request_hash))

    def job(self, job_id: str) -> JobEntry:
        """Return one job. Raises JobNotFound."""
        with self._reading() as connection:
            return _find_job(connection, job_id)

    def jobs(
        self,
        status: JobStatus | None = None,
        model_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobEntry]:
        """Return a page of jobs, newest first. Raises InvalidOption for a broken cursor."""
        query = select(jobs)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if model_id is not None:
            query = query.where(jobs.c.model_id == model_id)
        with self._reading() as connection:
            return read_page(connection, query, jobs, cursor, limit, _job_entry)

    def count_jobs(self) -> dict[JobStatus, int]:
        """Return how many jobs have each status; 0 is told too."""
        found = self._count_by_status(jobs)
        return {status: found.get(status, 0) for status in JOB_STATUSES}

    def unfinished(self) -> list[JobEntry]:
        """Return the jobs that are queued or running, oldest first."""
        query = select(jobs).where(jobs.c.status.in_(_UNFINISHED)).order_by(jobs.c.created_at, jobs.c.id)
        with self._reading() as connection:
            return [_job_entry(row) for row in connection.execute(query).mappings()]

    def requeue_running(self) -> list[str]:
        """Put running jobs back into the queue, after a restart; return the IDs of all queued ones, oldest first.

        Only for the one server that runs jobs: it takes them from anybody. ``attempt`` still counts the lost run.
        """
        queued = select(jobs.c.id).where(jobs.c.status == "queued").order_by(jobs.c.created_at, jobs.c.id)
        with self._writing() as connection:
            back = update(jobs).where(jobs.c.status == "running")
            connection.execute(back.values(status="queued", started_at=None, progress={}))
            return list(connection.scalars(queued))

    def start_job(self, job_id: str) -> bool:
        """Mark a queued job as running, for the next attempt; False where it is not queued."""
        with self._writing() as connection:
            changes = {"started_at": self._clock(), "attempt": jobs.c.attempt + 1}
            return _move(connection, job_id, ("queued",), "running", **changes)

    def record_progress(self, job_id: str, progress: Mapping[str, JSON]) -> bool:
        """Keep what a training tells about itself; False where it is not running."""
        with self._writing() as connection:
            return _move(connection, job_id, ("running",), "running", progress=dict(progress))

    def publish(self, job_id: str, record: Mapping[str, JSON], size_bytes: int) -> bool:
        """Make the model of a running job ready, with its record; False where the job does not run any more.

        The file must be in the store before. False means: cancelled or deleted meanwhile, so remove the file.
        """
        now = self._clock()
        with self._writing() as connection:
            if not _move(connection, job_id, ("running",), "succeeded", finished_at=now):
                return False
            columns = {"ready_at": now, "record": dict(record), "size_bytes": size_bytes}
            settle_model(connection, _find_job(connection, job_id).model_id, "ready", **columns)
            return True

    def fail_job(self, job_id: str, error: Mapping[str, JSON]) -> bool:
        """End a job and its model as failed, with the error in both; False where the job had ended already."""
        with self._writing() as connection:
            if not _move(connection, job_id, _UNFINISHED, "failed", finished_at=self._clock(), error=dict(error)):
                return False
            fail_model(connection, _find_job(connection, job_id).model_id, error)
            return True

    def cancel_job(self, job_id: str) -> JobEntry:
        """End a job as cancelled, and its model as failed; return the job. Raises JobNotFound, JobFinished."""
        with self._writing() as connection:
            moved = _move(connection, job_id, _UNFINISHED, "cancelled", finished_at=self._clock())
            job = _find_job(connection, job_id)
            if not moved:
                raise JobFinished(f"The job has already ended ({job.status}): nothing is left to cancel.")
            fail_model(connection, job.model_id, _CANCELLED)
            return job

    def _find_idempotent(self, connection: Connection, idempotency: tuple[str, str] | None) -> JobEntry | None:
        if idempotency is None:
            return None
        job_id = find_job_of_key(connection, *idempotency, now=self._clock())
        return None if job_id is None else _find_job(connection, job_id)

    def _insert_training(
        self,
        connection: Connection,
        model_id: str,
        job_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        idempotency: tuple[str, str] | None,
    ) -> JobEntry:
        now = self._clock()
        model = {"id": model_id, "name": name, "status": "training", "job_id": job_id, "record": dict(record)}
        job = {"id": job_id, "model_id": model_id, "status": "queued", "attempt": 0, "progress": {}}
        connection.execute(insert(models).values(created_at=now, **model))
        connection.execute(insert(jobs).values(created_at=now, **job))
        if idempotency is not None:
            forget_old_keys(connection, now)
            remember_key(connection, *idempotency, job_id=job_id, now=now)
        return _find_job(connection, job_id)


def _move(connection: Connection, job_id: str, before: tuple[str, ...], after: JobStatus, **columns: Any) -> bool:
    """Change a job's status, if it has one of those before; tell whether it had."""
    change = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(before)).values(status=after, **columns)
    return connection.execute(change).rowcount == 1


def _find_job(connection: Connection, job_id: str) -> JobEntry:
    row = connection.execute(select(jobs).where(jobs.c.id == check_job_id(job_id))).mappings().first()
    if row is None:
        raise unknown_job(job_id)
    return _job_entry(row)


def _job_entry(row: RowMapping) -> JobEntry:
    return JobEntry(**row)
