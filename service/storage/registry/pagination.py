"""Keyset pagination: newest first, and no row repeated or skipped while others are added or deleted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Table, false, literal, select, tuple_

from service.errors import InvalidOption, ServiceError
from service.storage.identifiers import is_id
from service.storage.registry.entries import Entry, Page

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_MICROSECOND = timedelta(microseconds=1)


def encode_cursor(text: str) -> str:
    """Return the cursor that continues after the row with this text."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Undo `encode_cursor`. Raises InvalidOption at ``("cursor",)`` if it cannot have made the cursor."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise invalid_cursor() from None
    if "\0" in text or encode_cursor(text) != cursor:
        raise invalid_cursor()
    return text


def invalid_cursor() -> ServiceError:
    """Return the error for a cursor that this server has not made."""
    detail = "The cursor was not made by this server: send next_cursor of the previous page, or omit it."
    return InvalidOption.at(("cursor",), detail)


def write_cursor(created_at: datetime, entry_id: str) -> str:
    """Return the cursor that continues after this row."""
    return encode_cursor(f"{(created_at - _EPOCH) // _MICROSECOND}:{entry_id}")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the time and ID of the row that a cursor refers to.

    Raises InvalidOption at ``("cursor",)`` if ``write_cursor`` cannot have made the cursor.
    """
    microseconds, _, entry_id = decode_cursor(cursor).partition(":")
    try:
        created_at = _EPOCH + int(microseconds) * _MICROSECOND
    except (ValueError, OverflowError):
        raise invalid_cursor() from None
    if not is_id(entry_id) or write_cursor(created_at, entry_id) != cursor:
        raise invalid_cursor()
    return created_at, entry_id


def has_text(column: Column[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that a column has this text, which may be any."""
    # Postgres rejects text with this character, and no stored text contains it.
    return false() if "\0" in text else column == text


def read_page(
    connection: Connection,
    table: Table,
    entry_of: Callable[[RowMapping], Entry],
    cursor: str | None,
    limit: int,
    computed: Sequence[ColumnElement[Any]] = (),
    **texts: str | None,
) -> Page[Entry]:
    """Return the first ``limit`` rows after the cursor whose columns have these texts, None: any text.

    computed: further columns of the rows. Rows are ordered by (created_at, id), which also orders rows created at the
    same time.
    Raises InvalidOption for an invalid cursor or a limit below 1.
    """
    if limit < 1:
        raise InvalidOption.at(("limit",), f"limit must be at least 1, got {limit}.")
    query = select(table, *computed).where(
        *(has_text(table.c[name], text) for name, text in texts.items() if text is not None)
    )
    if cursor is not None:
        created_at, entry_id = read_cursor(cursor)
        last = tuple_(literal(created_at, table.c.created_at.type), literal(entry_id))
        query = query.where(tuple_(table.c.created_at, table.c.id) < last)
    query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    shown = rows[:limit]
    more = len(rows) > limit
    next_cursor = write_cursor(shown[-1]["created_at"], shown[-1]["id"]) if more else None
    return Page(tuple(entry_of(row) for row in shown), next_cursor)
