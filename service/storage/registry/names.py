"""What names mean: by default the newest ready model that has the name, or the model to which a *move* has pinned it.

Moves of one tenant are made one after the other, each in one transaction: of two concurrent ones both are in the
history, and the last one counts. A name that was never moved has no row.

A rollback undoes one move more each time, as a stack: it leads to what the name meant before the move that is undone,
never back to what was rolled back. While a name follows the newest model, each model that becomes ready changes what
it means, too; rolling back from such a model pins the name to the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Select, String, bindparam, delete, func, insert, literal, select, union, update

from service.errors import Conflict, ModelFailed, QuotaExceeded
from service.storage.registry.database import Database
from service.storage.registry.entries import MoveReason, NameEntry, NameMove, Page
from service.storage.registry.model_rows import hold_ready, newest_ready
from service.storage.registry.name_rows import (
    NameState,
    meaning,
    meaning_of_any,
    meanings,
    name_entry,
    name_state,
    newest_of,
    read_moves,
    state_before,
    unknown_name,
)
from service.storage.registry.pagination import decode_cursor, encode_cursor, has_text
from service.storage.registry.quotas import lock_tenant
from service.storage.registry.tables import jobs, models, name_moves, names

_Moves = list[tuple[NameState, MoveReason, datetime | None, str | None]]
"""States after moves, with the reason, the time and the author of each."""


def _resolution() -> Select[tuple[str, int, int, str]]:
    """Return the query for the model that a name means. It is built once: that takes longer than the database does."""
    tenant, name = bindparam("tenant", type_=String), bindparam("name", type_=String)
    pinned = select(names.c.model_id).where(names.c.tenant == tenant, names.c.name == name).scalar_subquery()
    newest = newest_ready(models.c.tenant == tenant, models.c.name == name)
    meant = models.c.id == func.coalesce(pinned, newest)
    return select(models.c.id, models.c.attempt, models.c.series_revision, models.c.status).where(meant)


_RESOLUTION = _resolution()


class NamedModel(NamedTuple):
    """The model that a name means, the attempt that wrote its file, and the revision of its series."""

    id: str
    attempt: int
    series_revision: int


@dataclass(frozen=True)
class NameBounds:
    """How many names of one tenant may have been moved, and how many moves of each are kept."""

    names: int
    moves: int


class Names:
    """Reads and moves names; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def resolve(self, tenant: str, name: str) -> NamedModel:
        """Return the model that a tenant's name means, by one query that reads no record.

        Raises ModelNotFound, and ModelFailed if the name is pinned to a model whose file was lost.
        """
        with self._database.reading() as connection:
            row = None if "\0" in name else connection.execute(_RESOLUTION, {"tenant": tenant, "name": name}).first()
        if row is None:
            raise unknown_name(name)
        if row.status != "ready":
            detail = f"the name {name[:200]!r} is pinned to model {row.id}, whose file was lost"
            raise ModelFailed(f"{detail}: restore it and reconcile, promote another model, or roll the name back")
        return NamedModel(row.id, row.attempt, row.series_revision)

    def get(
        self, tenant: str, name: str, cursor: str | None = None, limit: int = 50
    ) -> tuple[NameEntry, NameEntry | None, Page[NameMove]]:
        """Return what a name means, what it would mean after a rollback, and its moves, newest first.

        Raises ModelNotFound, and InvalidOption for an invalid cursor.
        """
        with self._database.reading() as connection:
            entry = meaning(connection, tenant, name)
            try:
                before = state_before(connection, tenant, name, name_state(connection, tenant, name))
                back = replace(entry, mode=before.mode, model_id=before.model_id)
            except Conflict:
                back = None
            return entry, back, read_moves(connection, tenant, name, cursor, limit)

    def list(
        self, tenant: str, model_id: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[NameEntry]:
        """Return a page of the names of ready models and those that were moved, in the order of the database.

        model_id: only the names that mean this model. Raises InvalidOption for an invalid cursor.
        """
        after = None if cursor is None else decode_cursor(cursor)
        of_models = select(models.c.name).where(models.c.tenant == tenant, models.c.name.is_not(None)).distinct()
        moved = select(names.c.name).where(names.c.tenant == tenant)
        if model_id is None:
            of_models = of_models.where(models.c.status == "ready")
        else:
            of_models = of_models.where(has_text(models.c.id, model_id))
            moved = moved.where(has_text(names.c.model_id, model_id))
        parts = []
        # Each part is limited by itself, so that it is read from an index up to the end of the page only.
        for query, name in ((of_models, models.c.name), (moved, names.c.name)):
            limited = (query if after is None else query.where(name > after)).order_by(name).limit(limit + 1)
            parts.append(select(literal(tenant).label("tenant"), limited.subquery().c.name))
        found = meanings(union(*parts).subquery())
        if model_id is not None:
            found = found.where(has_text(models.c.id, model_id))
        with self._database.reading() as connection:
            rows = connection.execute(found.limit(limit + 1)).mappings().all()
        shown = tuple(map(name_entry, rows[:limit]))
        return Page(shown, encode_cursor(shown[-1].name) if len(rows) > limit else None)

    def promote(
        self,
        tenant: str,
        name: str,
        model_id: str,
        by: str | None,
        bounds: NameBounds,
        revision: int | None = None,
    ) -> NameEntry:
        """Pin a name to a ready model of the tenant; nothing changes if it is.

        by: who does it; revision: only if the name still has this one. Raises ModelNotFound, ModelNotReady,
        ModelFailed, Conflict for another revision, and QuotaExceeded for a name too many.
        """
        with self._database.writing() as connection:
            state = _locked_state(connection, tenant, name, revision)
            hold_ready(connection, model_id, tenant)
            if (state.mode, state.model_id) != ("pinned", model_id):
                meant = state.revision or newest_of(connection, tenant, name)
                pinned = NameState("pinned", model_id, state.revision, state.revision if meant else None, None)
                self._move(connection, tenant, name, pinned, "promoted", by, bounds)
            return meaning(connection, tenant, name)

    def rollback(
        self, tenant: str, name: str, by: str | None, bounds: NameBounds, revision: int | None = None
    ) -> NameEntry:
        """Return a name to what it meant before the last move that was not rolled back.

        revision: only if the name still has this one. Raises ModelNotFound for an unknown name, and Conflict for
        another revision, if there is nothing before, or if its model is gone.
        """
        with self._database.writing() as connection:
            state = _locked_state(connection, tenant, name, revision)
            meaning(connection, tenant, name)
            before = state_before(connection, tenant, name, state)
            if before.mode == "pinned" and before.model_id is not None:
                hold_ready(connection, before.model_id, tenant)
            self._move(connection, tenant, name, before, "rolled back", by, bounds)
            return meaning(connection, tenant, name)

    def follow(
        self, tenant: str, name: str, by: str | None, bounds: NameBounds, revision: int | None = None
    ) -> NameEntry:
        """Let a name mean its newest ready model from now on; nothing changes if it does.

        revision: only if the name still has this one. Raises ModelNotFound, and Conflict for another revision.
        """
        with self._database.writing() as connection:
            state = _locked_state(connection, tenant, name, revision)
            meaning(connection, tenant, name)
            if state.mode != "newest":
                now = self._database.shared_now(connection)
                newest = newest_of(connection, tenant, name)
                following = NameState("newest", newest, state.revision, state.revision, now)
                self._move(connection, tenant, name, following, "followed", by, bounds)
            return meaning(connection, tenant, name)

    def moved_within(self, seconds: float) -> Sequence[tuple[str, str, str | None]]:
        """Return tenant, name and present model of the names that may mean another model since so many seconds.

        They were moved, or a model of this name has become ready.
        """
        with self._database.reading() as connection:
            since = self._database.shared_now(connection) - timedelta(seconds=seconds)
            moved = select(names.c.tenant, names.c.name).where(names.c.changed_at >= since)
            trained = select(models.c.tenant, models.c.name).join(jobs, jobs.c.model_id == models.c.id)
            trained = trained.where(jobs.c.finished_at >= since, models.c.status == "ready", models.c.name.is_not(None))
            rows = connection.execute(meanings(union(moved, trained).subquery())).mappings()
            return [(row["tenant"], row["name"], row["model_id"]) for row in rows]

    def _move(
        self,
        connection: Connection,
        tenant: str,
        name: str,
        state: NameState,
        reason: MoveReason,
        by: str | None,
        bounds: NameBounds,
    ) -> None:
        """Give a name this state, whose revision is still that of the state before."""
        of_name = {"tenant": tenant, "name": name}
        now, revision = self._database.shared_now(connection), state.revision + 1
        row = {
            "mode": state.mode,
            "model_id": state.model_id if state.mode == "pinned" else None,
            "revision": revision,
            "changed_at": now,
            "changed_by": by,
        }
        moves: _Moves = []
        if state.revision:
            is_name = (names.c.tenant == tenant, names.c.name == name)
            connection.execute(update(names).where(*is_name).values(row))
        else:
            _make_room(connection, tenant, bounds.names)
            meant = meaning_of_any(connection, tenant, name)
            connection.execute(insert(names).values({**of_name, **row}))
            if meant.model_id is not None:
                # What a rollback of the first move returns to.
                moves.append((NameState("newest", meant.model_id), "trained", meant.since, None))
        moves.append((replace(state, revision=revision), reason, now, by))
        for after, why, moved_at, moved_by in moves:
            audit = {"reason": why, "moved_at": moved_at, "moved_by": moved_by}
            connection.execute(insert(name_moves).values({**of_name, **asdict(after), **audit}))
        old = name_moves.c.revision <= revision - bounds.moves
        connection.execute(delete(name_moves).where(name_moves.c.tenant == tenant, name_moves.c.name == name, old))


def _locked_state(connection: Connection, tenant: str, name: str, revision: int | None) -> NameState:
    """Return the state of a name, which nobody moves until the end of the transaction.

    revision: the one that it must have; None: any. Raises Conflict if it has another one.
    """
    lock_tenant(connection, tenant)
    state = name_state(connection, tenant, name)
    if revision not in (None, state.revision):
        raise Conflict(
            f"the name {name[:200]!r} has revision {state.revision}, not {revision}: it was moved since you read it; "
            "read it again"
        )
    return state


def _make_room(connection: Connection, tenant: str, most: int) -> None:
    """Forget the history of the name that was moved the longest ago and is not pinned, if there are too many.

    Raises QuotaExceeded if all are pinned.
    """
    of_tenant = names.c.tenant == tenant
    number = connection.execute(select(func.count()).select_from(names).where(of_tenant)).scalar_one()
    if number < most:
        return
    query = select(names.c.name).where(of_tenant, names.c.mode == "newest").order_by(names.c.changed_at).limit(1)
    oldest = connection.scalar(query)
    if oldest is None:
        raise QuotaExceeded(
            f"the tenant has {number} pinned names, and may have {most}: let some follow their newest model "
            "(POST /names/{name}/follow), or raise FORECAST_MAX_NAMES_PER_TENANT"
        )
    connection.execute(delete(names).where(of_tenant, names.c.name == oldest))
