"""Rows of models, read in the caller's transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, ScalarSelect, false, func, literal, select, tuple_

from service.storage.identifiers import check_id, unknown_model
from service.storage.registry.entries import ModelEntry
from service.storage.registry.pagination import has_text
from service.storage.registry.tables import models

_NEWEST_FIRST = (models.c.created_at.desc(), models.c.id.desc())


_line = models.alias("line")


def _champion() -> ColumnElement[str]:
    """Return the expression for the champion of the line of a row of the models; where none is ready, the row's own."""
    root = func.coalesce(models.c.root_id, models.c.id)
    query = select(_line.c.id).where(_line.c.status == "ready").order_by(_line.c.created_at.desc(), _line.c.id.desc())
    # The root comes last, as the oldest of its line; each part is read from an index.
    conditions = (
        (_line.c.root_id == root, _line.c.beaten.is_(false())),
        (_line.c.id == root,),
        (_line.c.root_id == root,),
    )
    found = [query.where(*one).limit(1).correlate(models).scalar_subquery() for one in conditions]
    return func.coalesce(*found, models.c.id, type_=models.c.id.type)


COMPUTED = (_champion().label("champion"),)
"""Columns of a `ModelEntry` that are no columns of the table."""


def find_model(connection: Connection, model_id: str, tenant: str | None = None) -> ModelEntry:
    """Return one model of a tenant; tenant None: of any tenant. Raises ModelNotFound."""
    query = select(models, *COMPUTED).where(models.c.id == check_id(model_id, unknown_model))
    row = connection.execute(query).mappings().first()
    if row is None or tenant not in (None, row["tenant"]):
        raise unknown_model(model_id)
    return ModelEntry(**row)


def hold_ready(connection: Connection, model_id: str, tenant: str) -> None:
    """Keep a tenant's ready model ready until the end of the transaction.

    Raises ModelNotFound, ModelNotReady, ModelFailed.
    """
    lock = select(models.c.id).where(models.c.id == check_id(model_id, unknown_model)).with_for_update(read=True)
    connection.execute(lock)
    find_model(connection, model_id, tenant).check_ready()


def ready_at() -> ColumnElement[datetime]:
    """Return the expression for when a ready model became ready."""
    return func.coalesce(models.c.ready_at, models.c.created_at, type_=models.c.created_at.type)


def newest_ready(*which: ColumnElement[bool]) -> ColumnElement[str | None]:
    """Return the expression for the ID of the newest ready model for which the conditions hold.

    One that was beaten by its parent counts only where there is no other, as after a change of the parent's name.
    """
    return func.coalesce(newest_unbeaten(*which), _newest(*which), type_=models.c.id.type)


def newest_unbeaten(*which: ColumnElement[bool]) -> ScalarSelect[str | None]:
    """Return the subquery for the newest of these that was not beaten by its parent."""
    return _newest(*which, models.c.beaten.is_(false()))


def _newest(*which: ColumnElement[bool]) -> ScalarSelect[str | None]:
    query = select(models.c.id).where(*which, models.c.status == "ready")
    return query.order_by(*_NEWEST_FIRST).limit(1).scalar_subquery()


def newest_before(connection: Connection, tenant: str, name: str, model_id: str) -> str | None:
    """Return the ID of the newest ready model with a name just before the given one became ready, or None."""
    given = select(models.c.created_at, ready_at().label("ready_at")).where(models.c.id == model_id)
    created, ready = (literal(one, models.c.created_at.type) for one in connection.execute(given).one())
    earlier = (
        models.c.tenant == tenant,
        has_text(models.c.name, name),
        tuple_(models.c.created_at, models.c.id) < tuple_(created, literal(model_id)),
        ready_at() <= ready,
    )
    return connection.scalar(select(newest_unbeaten(*earlier)))
