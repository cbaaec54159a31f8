"""Rows of names and of their moves, read in the caller's transaction: what names mean, and what they meant before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Subquery, func, literal, select

from service.errors import Conflict, ModelNotFound
from service.storage.registry.entries import NameEntry, NameMode, NameMove, Page
from service.storage.registry.model_rows import find_model, newest_before, newest_ready, ready_at
from service.storage.registry.pagination import decode_cursor, encode_cursor, has_text, invalid_cursor
from service.storage.registry.tables import models, name_moves, names

FROM_THE_START = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a name that was never moved follows its newest model."""

_LONGEST_REVISION = 9
_SHOWN = 4


@dataclass(frozen=True)
class NameState:
    """What a name means and what was before; after a move, these are columns of its row.

    model_id: what the name means; while it follows the newest model, as far as it was read. previous: revision of the
    move to which a rollback returns. following_since: since when the name follows the newest model, or did until it was
    rolled back to the present one; None: it was pinned otherwise.
    """

    mode: NameMode = "newest"
    model_id: str | None = None
    revision: int = 0
    previous: int | None = None
    following_since: datetime | None = FROM_THE_START


def pinned_to(connection: Connection, model_id: str) -> list[str]:
    """Return a few of the names that are pinned to a model, in the caller's transaction."""
    query = select(names.c.name).where(names.c.model_id == model_id).order_by(names.c.name).limit(_SHOWN)
    return list(connection.scalars(query))


def unknown_name(name: str) -> ModelNotFound:
    """Return the error for a name that means nothing."""
    return ModelNotFound(f"No ready model has the name {name[:200]!r}. GET /models lists all models.")


def meanings(page: Subquery) -> Select[Any]:
    """Return the query for what names mean, in their order; page: their tenants and names."""
    newest = newest_ready(models.c.tenant == page.c.tenant, models.c.name == page.c.name)
    meant = (
        select(page, names.c.mode, names.c.revision, names.c.changed_at, names.c.changed_by)
        .add_columns(func.coalesce(names.c.model_id, newest).label("model_id"))
        .select_from(page.outerjoin(names, (names.c.tenant == page.c.tenant) & (names.c.name == page.c.name)))
        .subquery()
    )
    query = select(meant, ready_at().label("ready_at")).outerjoin(models, models.c.id == meant.c.model_id)
    return query.order_by(meant.c.name)


def name_entry(row: RowMapping) -> NameEntry:
    """Return a row of `meanings` as an entry."""
    mode: NameMode = row["mode"] or "newest"
    since = None
    if row["model_id"] is not None:
        times = [row["changed_at"], *([row["ready_at"]] if mode == "newest" else [])]
        since = max(time for time in times if time is not None)
    return NameEntry(row["name"], mode, row["model_id"], since, row["revision"] or 0, row["changed_by"])


def meaning_of_any(connection: Connection, tenant: str, name: str) -> NameEntry:
    """Return what a name means, also one that means nothing."""
    page = select(literal(tenant).label("tenant"), literal(name).label("name")).subquery()
    return name_entry(connection.execute(meanings(page)).mappings().one())


def meaning(connection: Connection, tenant: str, name: str) -> NameEntry:
    """Return what a name means. Raises ModelNotFound if it was never moved and no ready model has it."""
    if "\0" in name:
        # Postgres rejects text with this character, and no stored text contains it.
        raise unknown_name(name)
    entry = meaning_of_any(connection, tenant, name)
    if entry.model_id is None and not entry.revision:
        raise unknown_name(name)
    return entry


def name_state(connection: Connection, tenant: str, name: str) -> NameState:
    """Return the state of a name, which is the default one if it was never moved."""
    columns = (names.c.mode, names.c.model_id, names.c.revision, name_moves.c.previous, name_moves.c.following_since)
    is_last = (
        (name_moves.c.tenant == names.c.tenant)
        & (name_moves.c.name == names.c.name)
        & (name_moves.c.revision == names.c.revision)
    )
    query = select(*columns).join(name_moves, is_last).where(names.c.tenant == tenant, has_text(names.c.name, name))
    row = connection.execute(query).first()
    return NameState() if row is None else NameState(*row)


def state_before(connection: Connection, tenant: str, name: str, state: NameState) -> NameState:
    """Return the state, still with the present revision, to which a rollback leads; with the model that it means.

    Raises Conflict if there is none, or its model cannot be used.
    """
    newest = newest_of(connection, tenant, name)
    if state.following_since is not None:
        present = newest if state.mode == "newest" else state.model_id
        if present is not None and _ready_after(connection, present, state.following_since):
            earlier = newest_before(connection, tenant, name, present)
            if earlier is not None:
                return replace(state, mode="pinned", model_id=earlier)
    shown = repr(name[:200])
    if state.previous is None:
        raise Conflict(f"nothing is known that the name {shown} meant before: promote the model that it shall mean")
    row = connection.execute(
        select(name_moves).where(
            name_moves.c.tenant == tenant, name_moves.c.name == name, name_moves.c.revision == state.previous
        )
    ).first()
    if row is None:
        raise Conflict(
            f"the history of the name {shown} that is kept does not reach further back "
            "(FORECAST_MAX_MOVES_PER_NAME): promote the model that it shall mean"
        )
    before = NameState(row.mode, row.model_id, state.revision, row.previous, row.following_since)
    if before.mode == "newest":
        if newest is None:
            raise Conflict(f"before, {shown} meant its newest ready model, and none has this name now: promote one")
        return replace(before, model_id=newest)
    try:
        find_model(connection, row.model_id, tenant).check_ready()
    except ModelNotFound:
        detail = f"before, {shown} meant model {row.model_id}, which was deleted: promote another one"
        raise Conflict(detail) from None
    return before


def newest_of(connection: Connection, tenant: str, name: str) -> str | None:
    """Return the ID of the newest ready model with a name, or None."""
    return connection.scalar(select(newest_ready(models.c.tenant == tenant, models.c.name == name)))


def _ready_after(connection: Connection, model_id: str, moment: datetime) -> bool:
    query = select(models.c.id).where(models.c.id == model_id, ready_at() > literal(moment, models.c.created_at.type))
    return connection.execute(query).first() is not None


def read_moves(connection: Connection, tenant: str, name: str, cursor: str | None, limit: int) -> Page[NameMove]:
    """Return a page of a name's moves, newest first. Raises InvalidOption for an invalid cursor."""
    query = select(name_moves).where(name_moves.c.tenant == tenant, name_moves.c.name == name)
    if cursor is not None:
        text = decode_cursor(cursor)
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_REVISION):
            raise invalid_cursor()
        query = query.where(name_moves.c.revision < int(text))
    rows = connection.execute(query.order_by(name_moves.c.revision.desc()).limit(limit + 1)).all()
    shown = tuple(
        NameMove(row.revision, row.mode, row.model_id, row.reason, row.moved_at, row.moved_by) for row in rows[:limit]
    )
    return Page(shown, encode_cursor(str(shown[-1].revision)) if len(rows) > limit else None)
