"""The contents of the registry, for comparison with the store, and the repair of differences.

A model whose file was lost has the status failed and keeps its ``ready_at``, unlike one whose training failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, select, update

from service.storage.registry.database import Database
from service.storage.registry.entries import JSON, JobStatus, ModelStatus
from service.storage.registry.jobs import set_model_status
from service.storage.registry.maintenance.lines import keep_a_champion
from service.storage.registry.model_rows import find_model
from service.storage.registry.name_rows import pinned_to
from service.storage.registry.tables import jobs, models, replaced_series_files


class Inventory:
    """Lists and repairs models and jobs of all tenants; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def model_statuses(self) -> dict[str, tuple[ModelStatus, int]]:
        """Return the status of every model, and the attempt that wrote its file, by ID."""
        with self._database.reading() as connection:
            rows = connection.execute(select(models.c.id, models.c.status, models.c.attempt))
            return {row.id: (row.status, row.attempt) for row in rows}

    def job_statuses(self) -> dict[str, JobStatus]:
        """Return the status of every job by ID."""
        with self._database.reading() as connection:
            return dict(connection.execute(select(jobs.c.id, jobs.c.status)).all())

    def jobs_of_models(self) -> set[str]:
        """Return the IDs of the jobs that trained, or train, existing models; old jobs may have been deleted."""
        with self._database.reading() as connection:
            return set(connection.scalars(select(models.c.job_id).where(models.c.job_id.is_not(None))))

    def series_files(self) -> tuple[dict[str, str], set[str]]:
        """Return the model of each file of observations by the file's ID, and the files that were replaced."""
        with self._database.reading() as connection:
            named = select(models.c.series_file, models.c.id).where(models.c.series_file.is_not(None))
            current = {row.series_file: row.id for row in connection.execute(named)}
            return current, set(connection.scalars(select(replaced_series_files.c.id)))

    def regain_series(self, model_id: str, file: str, revision: int, size_bytes: int) -> bool:
        """Give a ready model without observations a file of them; return False if it has some."""
        found = {"series_file": file, "series_file_revision": revision, "series_revision": revision}
        with self._database.writing() as connection:
            empty = (models.c.id == model_id, models.c.status == "ready", models.c.series_revision == 0)
            change = update(models).where(*empty).values(**found, series_bytes=size_bytes)
            return bool(connection.execute(change).rowcount)

    def names_pinned_to(self, model_id: str) -> list[str]:
        """Return a few of the names that are pinned to a model."""
        with self._database.reading() as connection:
            return pinned_to(connection, model_id)

    def lose_model(self, model_id: str, error: Mapping[str, JSON]) -> bool:
        """Mark a ready model whose file is missing as failed; return False if it is not ready any more."""
        with self._database.writing() as connection:
            ready = (models.c.id == model_id, models.c.status == "ready")
            if not set_model_status(connection, "failed", error, *ready):
                return False
            keep_a_champion(connection, find_model(connection, model_id))
            return True

    def keep_champions(self) -> None:
        """Give lines of which only beaten models are left a champion, as models are added again one by one."""
        beaten = select(models.c.id).where(models.c.status == "ready", models.c.beaten)
        with self._database.writing() as connection:
            for model_id in connection.scalars(beaten).all():
                keep_a_champion(connection, find_model(connection, model_id))

    def is_lost(self, model_id: str, attempt: int) -> bool:
        """Return whether a model, trained by this attempt, was ready before its file was lost."""
        query = select(models.c.id).where(*_lost(model_id), models.c.attempt == attempt)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def regain_model(self, model_id: str) -> bool:
        """Make a lost model whose file was restored ready again; return False if it is not marked as lost."""
        with self._database.writing() as connection:
            return set_model_status(connection, "ready", None, *_lost(model_id))


def _lost(model_id: str) -> tuple[ColumnElement[bool], ...]:
    return models.c.id == model_id, models.c.status == "failed", models.c.ready_at.is_not(None)
