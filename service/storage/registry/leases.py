"""Leases: which worker runs which job, and how the jobs of a dead worker return to the queue.

A worker holds a running job by a lease (Gray & Cheriton 1989) that it must renew in time. Any worker that finds an
expired lease puts the job back; its next run is a new attempt, and later reports of the earlier attempt are ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.storage.registry.database import Database, utc_now
from service.storage.registry.entries import JSON, JobEntry, QueueName
from service.storage.registry.jobs import fail, job_entry, move_job
from service.storage.registry.tables import executors, jobs

# Old entries are deleted: a container may have a new name, and thus a new ID, at each start.
_REMEMBERED = timedelta(days=1)


class LeaseRegistry(Database):
    """Workers and the jobs that they hold; every method may raise Unavailable."""

    def enrol(
        self, executor: str, instance: str, queues: Sequence[QueueName], seconds: float, sole: bool = False
    ) -> bool:
        """Register a worker for ``seconds``; return False if another live instance has its ID.

        sole: no other instance can be alive, whatever the registry says.
        """
        try:
            with self._writing() as connection:
                now = self._now(connection)
                connection.execute(delete(executors).where(executors.c.alive_until < now - _REMEMBERED))
                row = connection.execute(select(executors).where(executors.c.id == executor).with_for_update()).first()
                if row is not None and not sole and row.instance != instance and row.alive_until >= now:
                    return False
                change = insert(executors) if row is None else update(executors).where(executors.c.id == executor)
                until = now + timedelta(seconds=seconds)
                connection.execute(
                    change.values(id=executor, instance=instance, queues=",".join(queues), alive_until=until)
                )
                return True
        except IntegrityError:
            # On Postgres, writers do not wait for each other, so another new instance may have registered in between.
            return False

    def served_queues(self) -> set[QueueName]:
        """Return the queues served by at least one live worker."""
        with self._reading() as connection:
            now = self._now(connection)
            rows = connection.scalars(select(executors.c.queues).where(executors.c.alive_until >= now))
            return {name for row in rows for name in row.split(",")}

    def living_executors(self) -> set[str]:
        """Return the IDs of live workers: those that have renewed in time."""
        with self._reading() as connection:
            now = self._now(connection)
            return set(connection.scalars(select(executors.c.id).where(executors.c.alive_until >= now)))

    def claim_job(self, job_id: str, dispatch: int, executor: str, seconds: float) -> int | None:
        """Claim a queued job for a worker, with a lease of ``seconds``; return the attempt.

        Return None if the job does not wait any more, or waits with another generation of its ticket.
        """
        with self._writing() as connection:
            now = self._now(connection)
            claimed = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.status == "queued", jobs.c.dispatch == dispatch)
                .values(
                    status="running",
                    started_at=self._clock(),
                    attempt=jobs.c.attempt + 1,
                    executor=executor,
                    lease_until=now + timedelta(seconds=seconds),
                    revision=jobs.c.revision + 1,
                )
                .returning(jobs.c.attempt)
            )
            return claimed.scalar()

    def renew_leases(
        self, executor: str, instance: str, job_ids: Collection[str], seconds: float
    ) -> dict[str, int] | None:
        """Renew a worker's registration and its leases; return attempts by job ID, None if another has its ID.

        job_ids: the jobs it runs. Those missing in the result were cancelled, deleted or taken over. Leases of jobs
        that it holds but does not run, for example because the response to a claim was lost, are not renewed, so
        they expire and the jobs are put back.
        """
        with self._writing() as connection:
            until = self._now(connection) + timedelta(seconds=seconds)
            mine = update(executors).where(executors.c.id == executor, executors.c.instance == instance)
            if not connection.execute(mine.values(alive_until=until)).rowcount:
                return None
            held = connection.execute(
                update(jobs)
                .where(jobs.c.executor == executor, jobs.c.status == "running", jobs.c.id.in_(job_ids))
                .values(lease_until=until)
                .returning(jobs.c.id, jobs.c.attempt)
            )
            return {row.id: row.attempt for row in held}

    def held_leases(self, executor: str) -> dict[str, int]:
        """Return the attempts that a worker holds, by job ID."""
        query = select(jobs.c.id, jobs.c.attempt).where(jobs.c.executor == executor, jobs.c.status == "running")
        with self._reading() as connection:
            return {row.id: row.attempt for row in connection.execute(query)}

    def release_leases(self, executor: str, instance: str) -> list[JobEntry]:
        """Put back the jobs that a worker runs, or ran before it was killed; return them, oldest first.

        If another instance has its ID now, the jobs belong to that instance, and the result is empty.
        """
        mine = select(executors.c.id).where(executors.c.id == executor, executors.c.instance == instance)
        with self._writing() as connection:
            # Locked, as the ID must not be taken by another instance meanwhile.
            if connection.execute(mine.with_for_update()).first() is None:
                return []
            return _put_back(connection, jobs.c.executor == executor)

    def dismiss(self, executor: str, instance: str) -> None:
        """Deregister a worker that stops."""
        with self._writing() as connection:
            now = self._now(connection)
            mine = update(executors).where(executors.c.id == executor, executors.c.instance == instance)
            connection.execute(mine.values(alive_until=now - timedelta(seconds=1)))

    def take_expired(self) -> list[JobEntry]:
        """Put back the jobs whose lease has expired; return them, oldest first."""
        with self._reading() as connection:
            ran_out = or_(jobs.c.lease_until < self._now(connection), jobs.c.lease_until.is_(None))
            looked_at = select(jobs.c.id).where(jobs.c.status == "running", ran_out).limit(1)
            if connection.execute(looked_at).first() is None:  # the usual case: nothing to write
                return []
        with self._writing() as connection:
            return _put_back(connection, ran_out)

    def count_death(self, job_id: str, attempt: int, most: int, error: Mapping[str, JSON]) -> JobEntry | None:
        """Count the death of an attempt's child process; put the job back and return it, or fail it at ``most`` deaths.

        Return None if the job failed, or if that attempt does not run any more.
        """
        with self._writing() as connection:
            if not move_job(connection, job_id, ("running",), "running", attempt, deaths=jobs.c.deaths + 1):
                return None
            deaths = connection.execute(select(jobs.c.deaths).where(jobs.c.id == job_id)).scalar_one()
            if deaths >= most:
                fail(connection, job_id, error, self._clock(), attempt)
                return None
            return _put_back(connection, jobs.c.id == job_id)[0]

    def redispatch(self, job_id: str, dispatch: int, queue: QueueName) -> JobEntry | None:
        """Give a waiting job a new generation and a queue; return None if its generation is not ``dispatch``."""
        change = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.status == "queued", jobs.c.dispatch == dispatch)
            .values(dispatch=jobs.c.dispatch + 1, queue=queue)
            .returning(*jobs.c)
        )
        with self._writing() as connection:
            row = connection.execute(change).mappings().first()
            return None if row is None else job_entry(row)

    def waiting_jobs(self, most: int) -> list[JobEntry]:
        """Return the oldest queued jobs, at most ``most``."""
        query = select(jobs).where(jobs.c.status == "queued").order_by(jobs.c.created_at, jobs.c.id).limit(most)
        with self._reading() as connection:
            return [job_entry(row) for row in connection.execute(query).mappings()]

    def _now(self, connection: Connection) -> datetime:
        """Return the time by the clock that all workers share: that of the database if it is a server."""
        if connection.dialect.name == "sqlite" or self._clock is not utc_now:
            return self._clock()
        found: Any = connection.scalar(select(func.clock_timestamp()))
        return datetime.fromtimestamp(found.timestamp(), tz=found.tzinfo)


def _put_back(connection: Connection, *which: ColumnElement[bool]) -> list[JobEntry]:
    change = (
        update(jobs)
        .where(jobs.c.status == "running", *which)
        .values(
            status="queued",
            started_at=None,
            executor=None,
            lease_until=None,
            progress={},
            dispatch=jobs.c.dispatch + 1,
            revision=jobs.c.revision + 1,
        )
        .returning(*jobs.c)
    )
    found = [job_entry(row) for row in connection.execute(change).mappings()]
    return sorted(found, key=lambda job: (job.created_at, job.id))
