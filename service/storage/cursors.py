"""Where a page of a list ended: the time and ID of its last row, as one opaque text."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

from service.errors import InvalidOption
from service.storage.identifiers import is_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def write_cursor(created_at: datetime, entry_id: str) -> str:
    """Return the cursor that continues after this row."""
    text = f"{(created_at - _EPOCH) // _MICROSECOND}:{entry_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the row's time and ID.

    Raises InvalidOption at ``("cursor",)`` where ``write_cursor`` cannot have made it.
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
