"""When models are retrained by themselves: their policies, and when a retraining is due next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from service.storage.registry.database import Database
from service.storage.registry.entries import ModelEntry
from service.storage.registry.maintenance.lines import champion, last_accepted
from service.storage.registry.tables import models


@dataclass(frozen=True)
class PolicyState:
    """What a policy is applied to.

    now: by the clock that all servers share; last: when the newest model of the line was accepted; is_champion: whether
    the model is the best of its line, so that it is the one to be retrained; lost: how many models that were retrained
    from it are worse.
    """

    now: datetime
    last: datetime
    is_champion: bool
    lost: int = 0


class Policies:
    """Reads and changes when retrainings are due; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, most: int) -> list[ModelEntry]:
        """Return ready models of all tenants whose retraining is due, those that have waited longest first."""
        with self._database.reading() as connection:
            is_due = models.c.retrain_due_at <= self._database.shared_now(connection)
            query = select(models).where(is_due, models.c.status == "ready").order_by(models.c.retrain_due_at)
            return [ModelEntry(**row) for row in connection.execute(query.limit(most)).mappings()]

    def state(self, model: ModelEntry) -> PolicyState:
        """Return the state of a model's line."""
        root = model.root_id or model.id
        with self._database.reading() as connection:
            last = last_accepted(connection, root) or model.created_at
            is_champion = champion(connection, root) == model.id
            has_lost = (models.c.root_id == root, models.c.parent_id == model.id, models.c.beaten)
            lost = connection.scalar(select(func.count()).select_from(models).where(*has_lost)) or 0
            return PolicyState(self._database.shared_now(connection), last, is_champion, lost)

    def set_due(self, model_id: str, known: datetime | None, due_at: datetime | None) -> bool:
        """Set when the retraining of a model is due next; return False if it is not due when it was known to be."""
        if known == due_at:
            return True
        is_known = models.c.retrain_due_at.is_(None) if known is None else models.c.retrain_due_at == known
        change = update(models).where(models.c.id == model_id, is_known).values(retrain_due_at=due_at)
        with self._database.writing() as connection:
            return bool(connection.execute(change).rowcount)
