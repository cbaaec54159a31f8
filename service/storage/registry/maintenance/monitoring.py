"""What was last found about each model whose series has changed since its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from service.storage.registry.database import Database
from service.storage.registry.entries import ModelEntry
from service.storage.registry.tables import models, monitoring

MonitoringStatus = Literal["stable", "drifting", "too_few"]


@dataclass(frozen=True)
class Finding:
    """The state of a model's forecasts at a revision of its series.

    record: serialisable as JSON: ``rows`` that were observed, ``since`` when and for what ``reason`` it drifts, scores.
    """

    revision: int
    status: MonitoringStatus
    record: Mapping[str, Any]


class Kept(NamedTuple):
    """That a finding was stored; before: the status until then, None for the first finding."""

    before: MonitoringStatus | None


class Found(NamedTuple):
    """A stored finding. changed_at: when the status became what it is."""

    tenant: str
    model_id: str
    status: MonitoringStatus
    changed_at: datetime
    record: dict[str, Any]


class MonitoringResults:
    """Reads and stores findings; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, most: int, after: str = "") -> list[ModelEntry]:
        """Return ready models, of all tenants, with observations that were not scored yet, in the order of their IDs.

        after: only those with later IDs.
        """
        # The same condition as that of the partial index.
        waiting = (models.c.series_revision > models.c.monitored_revision) & (models.c.status == "ready")
        query = select(models).where(waiting, models.c.id > after).order_by(models.c.id).limit(most)
        with self._database.reading() as connection:
            return [ModelEntry(**row) for row in connection.execute(query).mappings()]

    def last(self, model_id: str) -> Finding | None:
        """Return what was last found about a model; None if it was never monitored."""
        row = monitoring.c
        query = select(row.revision, row.status, row.record).where(row.model_id == model_id)
        with self._database.reading() as connection:
            found = connection.execute(query).first()
            return None if found is None else Finding(*found)

    def keep(self, connection: Connection, model_id: str, finding: Finding) -> Kept | None:
        """Store a finding, in the caller's transaction; return the status before.

        Return None, and store nothing, if a finding of this revision or a later one is there, or the model is gone:
        of several servers that monitor the same model, one stores what it found.
        """
        if not _advance(connection, model_id, finding.revision):
            return None
        of_model = monitoring.c.model_id == model_id
        before = connection.scalar(select(monitoring.c.status).where(of_model))
        row: dict[str, Any] = {"revision": finding.revision, "status": finding.status, "record": dict(finding.record)}
        if before != finding.status:
            row["changed_at"] = self._database.shared_now(connection)
        if before is None:
            connection.execute(insert(monitoring).values(model_id=model_id, **row))
        else:
            connection.execute(update(monitoring).where(of_model).values(row))
        return Kept(before)

    def skip(self, model_id: str, revision: int) -> None:
        """Find nothing at a revision, because of an error."""
        with self._database.writing() as connection:
            _advance(connection, model_id, revision)

    def counts(self) -> dict[str, int]:
        """Return the number of models in each status."""
        query = select(monitoring.c.status, func.count()).group_by(monitoring.c.status)
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())

    def latest(self, status: MonitoringStatus, most: int) -> Sequence[Found]:
        """Return the models whose status became this one last, newest first."""
        found = select(models.c.tenant, monitoring.c.model_id, monitoring.c.status, monitoring.c.changed_at)
        query = (
            found.add_columns(monitoring.c.record)
            .join(models, models.c.id == monitoring.c.model_id)
            .where(monitoring.c.status == status)
            .order_by(monitoring.c.changed_at.desc())
            .limit(most)
        )
        with self._database.reading() as connection:
            return [Found(*row) for row in connection.execute(query)]


def _advance(connection: Connection, model_id: str, revision: int) -> bool:
    """Note up to which revision a model is monitored; return False if it was that far, or the model is gone."""
    is_new = (models.c.id == model_id, models.c.monitored_revision < revision)
    change = update(models).where(*is_new).values(monitored_revision=revision)
    return bool(connection.execute(change).rowcount)
