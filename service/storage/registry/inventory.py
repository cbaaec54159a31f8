"""The contents of the registry, for comparison with the store, and the repair of differences.

A model whose file was lost has the status failed and keeps its ``ready_at``, unlike one whose training failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.storage.identifiers import check_model_id
from service.storage.registry.database import Database
from service.storage.registry.entries import JSON, UNFINISHED, JobStatus, ModelStatus
from service.storage.registry.tables import jobs, models


class Inventory(Database):
    """Lists and repairs models and jobs of all tenants; every method may raise Unavailable."""

    def model_statuses(self) -> dict[str, tuple[ModelStatus, int]]:
        """Return the status of every model, and the attempt that wrote its file, by ID."""
        with self._reading() as connection:
            rows = connection.execute(select(models.c.id, models.c.status, models.c.attempt))
            return {row.id: (row.status, row.attempt) for row in rows}

    def job_statuses(self) -> dict[str, JobStatus]:
        """Return the status of every job by ID."""
        with self._reading() as connection:
            return dict(connection.execute(select(jobs.c.id, jobs.c.status)).all())

    def jobs_of_models(self) -> set[str]:
        """Return the IDs of the jobs that trained, or train, existing models; old jobs may have been deleted."""
        with self._reading() as connection:
            return set(connection.scalars(select(models.c.job_id).where(models.c.job_id.is_not(None))))

    def lose_model(self, model_id: str, error: Mapping[str, JSON]) -> bool:
        """Mark a ready model whose file is missing as failed; return False if it is not ready any more."""
        with self._writing() as connection:
            ready = (models.c.id == model_id, models.c.status == "ready")
            record = connection.execute(select(models.c.record).where(*ready).with_for_update()).scalar()
            if record is None:
                return False
            values = {"status": "failed", "record": {**record, "error": dict(error)}}
            connection.execute(update(models).where(*ready).values(values))
            return True

    def is_lost(self, model_id: str, attempt: int) -> bool:
        """Return whether a model, trained by this attempt, was ready before its file was lost."""
        query = select(models.c.id).where(
            models.c.id == model_id,
            models.c.status == "failed",
            models.c.ready_at.is_not(None),
            models.c.attempt == attempt,
        )
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def regain_model(self, model_id: str) -> bool:
        """Make a lost model whose file was restored ready again; return False if it is not marked as lost."""
        lost = (models.c.id == model_id, models.c.status == "failed", models.c.ready_at.is_not(None))
        with self._writing() as connection:
            record = connection.execute(select(models.c.record).where(*lost).with_for_update()).scalar()
            if record is None:
                return False
            kept = {name: value for name, value in record.items() if name != "error"}
            connection.execute(update(models).where(*lost).values(status="ready", record=kept))
            return True

    def adopt_model(
        self,
        tenant: str,
        model_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        size_bytes: int,
        written_at: datetime,
        attempt: int,
    ) -> bool:
        """Add a tenant's ready model, with its file's time, that is missing here; return False if the ID exists."""
        row = {
            "id": check_model_id(model_id),
            "tenant": tenant,
            "name": name,
            "status": "ready",
            "record": dict(record),
        }
        times = {"created_at": written_at, "ready_at": written_at}
        try:
            with self._writing() as connection:
                connection.execute(insert(models).values(**row, **times, size_bytes=size_bytes, attempt=attempt))
        except IntegrityError:
            return False
        return True


@dataclass(frozen=True)
class QueueFigures:
    """Metrics of one queue: numbers of waiting and running jobs, and when the oldest waiting job was accepted (UTC)."""

    waiting: int = 0
    running: int = 0
    oldest: datetime | None = None


class QueueFigureRegistry(Database):
    """Queue metrics for monitoring; may raise Unavailable."""

    def queue_figures(self) -> dict[str, QueueFigures]:
        """Return the metrics of each queue that has unfinished jobs, without reading ended jobs."""
        columns = jobs.c.queue, jobs.c.status
        figures = func.count().label("number"), func.min(jobs.c.created_at).label("oldest")
        query = select(*columns, *figures).where(jobs.c.status.in_(UNFINISHED)).group_by(*columns)
        with self._reading() as connection:
            rows = {(row.queue, row.status): row for row in connection.execute(query)}
        found = {}
        for queue in {queue for queue, _ in rows}:
            waiting, running = (rows.get((queue, status)) for status in UNFINISHED)
            found[queue] = QueueFigures(
                waiting.number if waiting else 0,
                running.number if running else 0,
                waiting.oldest if waiting else None,
            )
        return found
