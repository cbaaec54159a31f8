"""Who runs which job, and how a job comes back from an executor that died.

A lease (Gray & Cheriton 1989): an executor holds a running job as long as it renews in time. Whoever finds a lease that
ran out puts the job back; its next run is another attempt, and nothing that the earlier one tells later is heard.
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

# Containers may have another name, and so another ID, at each start.
_REMEMBERED = timedelta(days=1)


class LeaseRegistry(Database):
    """Executors and the jobs that they hold; every method may raise Unavailable."""

    def enrol(
        self, executor: str, instance: str, queues: Sequence[QueueName], seconds: float, sole: bool = False
    ) -> bool:
        """Make an executor known for so many seconds; False where another living instance has its ID.

        sole: no other can live, whatever the registry says.
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
            # Where writers do not wait for each other (Postgres), another new one may have come in between.
            return False

    def served_queues(self) -> set[QueueName]:
        """Return the queues that some living executor works off."""
        with self._reading() as connection:
            now = self._now(connection)
            rows = connection.scalars(select(executors.c.queues).where(executors.c.alive_until >= now))
            return {name for row in rows for name in row.split(",")}

    def living_executors(self) -> set[str]:
        """Return the IDs of the executors that have been heard of in time."""
        with self._reading() as connection:
            now = self._now(connection)
            return set(connection.scalars(select(executors.c.id).where(executors.c.alive_until >= now)))

    def claim_job(self, job_id: str, dispatch: int, executor: str, seconds: float) -> int | None:
        """Let an executor run a queued job, for so many seconds until it renews; return the attempt.

        None where the job does not wait any more, or waits at another place of a queue.
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
        """Renew an executor, and its leases of these jobs; return the attempt by job ID. None: another has its ID.

        job_ids: what it runs. What of these is not told here has been cancelled, deleted or taken over. What it holds
        and does not run, since the answer to its claim was lost say, is not renewed, and so comes back.
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
        """Return what an executor holds: the attempt by job ID."""
        query = select(jobs.c.id, jobs.c.attempt).where(jobs.c.executor == executor, jobs.c.status == "running")
        with self._reading() as connection:
            return {row.id: row.attempt for row in connection.execute(query)}

    def release_leases(self, executor: str, instance: str) -> list[JobEntry]:
        """Put back what an executor runs, or ran before it was killed; return those jobs, oldest first.

        None of them where another instance has its ID now: then they are that one's.
        """
        mine = select(executors.c.id).where(executors.c.id == executor, executors.c.instance == instance)
        with self._writing() as connection:
            # Locked, for the ID must not change hands meanwhile.
            if connection.execute(mine.with_for_update()).first() is None:
                return []
            return _put_back(connection, jobs.c.executor == executor)

    def dismiss(self, executor: str, instance: str) -> None:
        """Forget an executor that stops."""
        with self._writing() as connection:
            now = self._now(connection)
            mine = update(executors).where(executors.c.id == executor, executors.c.instance == instance)
            connection.execute(mine.values(alive_until=now - timedelta(seconds=1)))

    def take_expired(self) -> list[JobEntry]:
        """Put back the jobs whose lease ran out; return them, oldest first."""
        with self._reading() as connection:
            ran_out = or_(jobs.c.lease_until < self._now(connection), jobs.c.lease_until.is_(None))
            looked_at = select(jobs.c.id).where(jobs.c.status == "running", ran_out).limit(1)
            if connection.execute(looked_at).first() is None:  # as nearly always: nothing is to be written
                return []
        with self._writing() as connection:
            return _put_back(connection, ran_out)

    def count_death(self, job_id: str, attempt: int, most: int, error: Mapping[str, JSON]) -> JobEntry | None:
        """Count that an attempt's child process died; put the job back and return it, or fail it at ``most`` deaths.

        None where it failed, or where that attempt does not run any more.
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
        """Give a waiting job another place in a queue; None where it is not at this one any more."""
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
        """Return queued jobs, the oldest ones."""
        query = select(jobs).where(jobs.c.status == "queued").order_by(jobs.c.created_at, jobs.c.id).limit(most)
        with self._reading() as connection:
            return [job_entry(row) for row in connection.execute(query).mappings()]

    def _now(self, connection: Connection) -> datetime:
        """The one clock that all executors go by: on a server, the database's own."""
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
