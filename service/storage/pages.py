"""Lists that come in pages: newest first, and no row twice or lost while others come and go."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, RowMapping, Select, Table, literal, tuple_

from service.errors import InvalidOption
from service.storage.cursors import read_cursor, write_cursor
from service.storage.entries import Entry, Page


def read_page(
    connection: Connection,
    query: Select[tuple[object, ...]],
    table: Table,
    cursor: str | None,
    limit: int,
    entry_of: Callable[[RowMapping], Entry],
) -> Page[Entry]:
    """Return the first ``limit`` rows of ``query`` that come after the cursor.

    Rows are ordered by (created_at, id), so that rows made at the same time have an order too.
    Raises InvalidOption for a broken cursor or a limit below 1.
    """
    if limit < 1:
        raise InvalidOption.at(("limit",), f"limit must be at least 1, got {limit}.")
    place = tuple_(table.c.created_at, table.c.id)
    if cursor is not None:
        created_at, entry_id = read_cursor(cursor)
        query = query.where(place < tuple_(literal(created_at, table.c.created_at.type), literal(entry_id)))
    query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    shown = rows[:limit]
    more = len(rows) > limit
    next_cursor = write_cursor(shown[-1]["created_at"], shown[-1]["id"]) if more else None
    return Page(tuple(entry_of(row) for row in shown), next_cursor)
