"""Leases: which worker runs which job, and how the jobs of a dead worker return to the queue.

A worker holds a running job by a lease (Gray & Cheriton 1989) that it must renew in time. Any worker that finds an
expired lease puts the job back; its next run is a new attempt, and later reports of the earlier attempt are ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, Update, delete, insert, literal, or_, select, update
from sqlalchemy.exc import IntegrityError

from service.storage.identifiers import new_id
from service.storage.registry.database import Database
from service.storage.registry.entries import JSON, JobEntry, QueueName
from service.storage.registry.jobs import fail_job, job_entry, move_job
from service.storage.registry.tables import jobs, workers

# Old entries are deleted: a container may have a new name, and thus a new ID, at each start.
_REMEMBERED = timedelta(days=1)


@dataclass(frozen=True)
class LeaseHolder:
    """A worker that holds leases.

    id: the same after a restart; queues: the queues it serves; seconds: how long it is alive, and holds a job, without
    renewal; sole: no other worker can have its ID, whatever the registry says; instance: differs after a restart.
    """

    id: str
    queues: Sequence[QueueName]
    seconds: float
    sole: bool = False
    instance: str = field(default_factory=new_id)

    @property
    def is_registered(self) -> ColumnElement[bool]:
        """Return the condition that a row of the workers is this instance."""
        return (workers.c.id == self.id) & (workers.c.instance == self.instance)


class Leases:
    """Workers and the jobs that they hold; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enrol(self, holder: LeaseHolder) -> bool:
        """Register a worker; return False if another live instance has its ID."""
        try:
            with self._database.writing() as connection:
                now = self._database.shared_now(connection)
                connection.execute(delete(workers).where(workers.c.alive_until < now - _REMEMBERED))
                until, queues = now + timedelta(seconds=holder.seconds), ",".join(holder.queues)
                row = {"id": holder.id, "instance": holder.instance, "queues": queues, "alive_until": until}
                is_free = or_(workers.c.instance == holder.instance, workers.c.alive_until < now, literal(holder.sole))
                change = update(workers).where(workers.c.id == holder.id, is_free).values(row)
                if connection.execute(change).rowcount:
                    return True
                if connection.execute(select(workers.c.id).where(workers.c.id == holder.id)).first():
                    return False
                connection.execute(insert(workers).values(row))
                return True
        except IntegrityError:  # another instance was first
            return False

    def dismiss(self, holder: LeaseHolder) -> None:
        """Deregister a worker that stops."""
        with self._database.writing() as connection:
            past = self._database.shared_now(connection) - timedelta(seconds=1)
            connection.execute(update(workers).where(holder.is_registered).values(alive_until=past))

    def live_workers(self) -> dict[str, set[QueueName]]:
        """Return the queues of each live worker, one that has renewed in time, by its ID."""
        with self._database.reading() as connection:
            alive = select(workers.c.id, workers.c.queues).where(
                workers.c.alive_until >= self._database.shared_now(connection)
            )
            return {row.id: set(row.queues.split(",")) for row in connection.execute(alive)}

    def served_queues(self) -> set[QueueName]:
        """Return the queues served by at least one live worker."""
        return set().union(*self.live_workers().values())

    def claim(self, job_id: str, generation: int, worker: str, seconds: float) -> int | None:
        """Claim a queued job for a worker, with a lease of ``seconds``; return the attempt.

        Return None if the job does not wait any more, or waits with another generation of its ticket.
        """
        with self._database.writing() as connection:
            claimed = _waits(job_id, generation).values(
                status="running",
                started_at=self._database.clock(),
                attempt=jobs.c.attempt + 1,
                worker=worker,
                lease_until=self._database.shared_now(connection) + timedelta(seconds=seconds),
                revision=jobs.c.revision + 1,
            )
            return connection.execute(claimed.returning(jobs.c.attempt)).scalar()

    def renew(self, holder: LeaseHolder, job_ids: Collection[str]) -> dict[str, int] | None:
        """Renew a worker's registration and its leases; return attempts by job ID, None if another has its ID.

        job_ids: the jobs it runs. Those missing in the result were cancelled, deleted or taken over. Leases of jobs
        that it holds but does not run, for example because the response to a claim was lost, are not renewed, so
        they expire and the jobs are put back.
        """
        with self._database.writing() as connection:
            until = self._database.shared_now(connection) + timedelta(seconds=holder.seconds)
            if not connection.execute(update(workers).where(holder.is_registered).values(alive_until=until)).rowcount:
                return None
            renewed = (
                update(jobs)
                .where(jobs.c.worker == holder.id, jobs.c.status == "running", jobs.c.id.in_(job_ids))
                .values(lease_until=until)
                .returning(jobs.c.id, jobs.c.attempt)
            )
            return dict(connection.execute(renewed).all())

    def held(self, holder: LeaseHolder) -> dict[str, int]:
        """Return the attempts that a worker holds, by job ID."""
        query = select(jobs.c.id, jobs.c.attempt).where(jobs.c.worker == holder.id, jobs.c.status == "running")
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())

    def release(self, holder: LeaseHolder) -> list[JobEntry]:
        """Put back the jobs that a worker runs, or ran before it was killed; return them, oldest first.

        If another instance has its ID now, the jobs belong to that instance, and the result is empty.
        """
        with self._database.writing() as connection:
            # Locked, as the ID must not be taken by another instance meanwhile.
            if connection.execute(select(workers).where(holder.is_registered).with_for_update()).first() is None:
                return []
            return _put_back(connection, jobs.c.worker == holder.id)

    def take_expired(self) -> list[JobEntry]:
        """Put back the jobs whose lease has expired; return them, oldest first."""
        with self._database.reading() as connection:
            expired = or_(jobs.c.lease_until < self._database.shared_now(connection), jobs.c.lease_until.is_(None))
            any_expired = select(jobs.c.id).where(jobs.c.status == "running", expired).limit(1)
            if connection.execute(any_expired).first() is None:  # the usual case: nothing to write
                return []
        with self._database.writing() as connection:
            return _put_back(connection, expired)

    def count_death(self, job_id: str, attempt: int, most: int, error: Mapping[str, JSON]) -> JobEntry | None:
        """Count the death of an attempt's child process; put the job back and return it, or fail it at ``most`` deaths.

        Return None if the job failed, or if that attempt does not run any more.
        """
        with self._database.writing() as connection:
            if not move_job(connection, job_id, ("running",), "running", attempt, deaths=jobs.c.deaths + 1):
                return None
            deaths = connection.execute(select(jobs.c.deaths).where(jobs.c.id == job_id)).scalar_one()
            if deaths >= most:
                fail_job(connection, job_id, error, self._database.clock(), attempt)
                return None
            return _put_back(connection, jobs.c.id == job_id)[0]

    def requeue(self, job_id: str, generation: int, queue: QueueName) -> JobEntry | None:
        """Give a waiting job the next generation, and a queue; return None if it has another generation already."""
        change = _waits(job_id, generation).values(generation=jobs.c.generation + 1, queue=queue)
        with self._database.writing() as connection:
            row = connection.execute(change.returning(*jobs.c)).mappings().first()
            return None if row is None else job_entry(row)

    def waiting(self, most: int) -> list[JobEntry]:
        """Return the oldest queued jobs, at most ``most``."""
        query = select(jobs).where(jobs.c.status == "queued").order_by(jobs.c.created_at, jobs.c.id).limit(most)
        with self._database.reading() as connection:
            return [job_entry(row) for row in connection.execute(query).mappings()]


def _waits(job_id: str, generation: int) -> Update:
    """Return an update of a job that still waits with this generation of its ticket."""
    return update(jobs).where(jobs.c.id == job_id, jobs.c.status == "queued", jobs.c.generation == generation)


def _put_back(connection: Connection, *which: ColumnElement[bool]) -> list[JobEntry]:
    change = (
        update(jobs)
        .where(jobs.c.status == "running", *which)
        .values(
            status="queued",
            started_at=None,
            worker=None,
            lease_until=None,
            progress={},
            generation=jobs.c.generation + 1,
            revision=jobs.c.revision + 1,
        )
        .returning(*jobs.c)
    )
    found = [job_entry(row) for row in connection.execute(change).mappings()]
    return sorted(found, key=lambda job: (job.created_at, job.id))
