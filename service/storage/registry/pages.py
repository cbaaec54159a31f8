"""Keyset pagination: newest first, and no row repeated or skipped while others are added or deleted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, RowMapping, Select, Table, literal, tuple_

from service.errors import InvalidOption
from service.storage.identifiers import is_id
from service.storage.registry.entries import Entry, Page

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_MICROSECOND = timedelta(microseconds=1)


def write_cursor(created_at: datetime, entry_id: str) -> str:
    """Return the cursor that continues after this row."""
    text = f"{(created_at - _EPOCH) // _MICROSECOND}:{entry_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the time and ID of the row that a cursor refers to.

    Raises InvalidOption at ``("cursor",)`` if ``write_cursor`` cannot have made the cursor.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        microseconds, _, entry_id = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(":")
        )
        created_at = _EPOCH + int(microseconds) * _MICROSECOND
    except (ValueError, OverflowError, binascii.Error) as error:
        raise _broken() from error
    if not is_id(entry_id) or write_cursor(created_at, entry_id) != cursor:
        raise _broken()
    return created_at, entry_id


def _broken() -> Exception:
    return InvalidOption.at(
        ("cursor",),
        "The cursor is not one that this server made: take next_cursor of the page before, or leave it out.",
    )


def read_page(
    connection: Connection,
    query: Select[tuple[object, ...]],
    table: Table,
    cursor: str | None,
    limit: int,
    entry_of: Callable[[RowMapping], Entry],
) -> Page[Entry]:
    """Return the first ``limit`` rows of ``query`` after the cursor.

    Rows are ordered by (created_at, id), which also orders rows created at the same time.
    Raises InvalidOption for an invalid cursor or a limit below 1.
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
