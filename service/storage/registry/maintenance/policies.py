"""When models are retrained by themselves: their policies, and when a retraining is due next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import false, func, or_, select, update

from service.storage.registry.database import Database
from service.storage.registry.entries import ModelEntry
from service.storage.registry.tables import models


@dataclass(frozen=True)
class PolicyState:
    """What a policy is applied to.

    now: by the clock that all servers share; last: when the newest model of the line was accepted; is_champion: whether
    the model is the best of its line, so that it is the one to be retrained.
    """

    now: datetime
    last: datetime
    is_champion: bool


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
        of_line = or_(models.c.id == root, models.c.root_id == root)
        newest = models.c.created_at.desc(), models.c.id.desc()
        candidates = select(models.c.id).where(of_line, models.c.status == "ready", models.c.beaten.is_(false()))
        with self._database.reading() as connection:
            last = connection.scalar(select(func.max(models.c.created_at)).where(of_line))
            champion = connection.scalar(candidates.order_by(*newest).limit(1))
            return PolicyState(self._database.shared_now(connection), last or model.created_at, champion == model.id)

    def set_due(self, model_id: str, known: datetime | None, due_at: datetime | None) -> bool:
        """Set when the retraining of a model is due next; return False if it is not due when it was known to be."""
        if known == due_at:
            return True
        is_known = models.c.retrain_due_at.is_(None) if known is None else models.c.retrain_due_at == known
        change = update(models).where(models.c.id == model_id, is_known).values(retrain_due_at=due_at)
        with self._database.writing() as connection:
            return bool(connection.execute(change).rowcount)
