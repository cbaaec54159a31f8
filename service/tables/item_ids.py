"""IDs of items as text, which is all that the API has: shared by the server, the client and the command line.

The ID of an item that several columns identify has their values, separated by ``|``; a ``|`` or ``\\`` within a value
is preceded by ``\\``. So different values never have the same ID, and the ID can be split into them again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Literal

IdType = Literal["string", "integer", "number", "boolean", "datetime"]
LONGEST_ID = 200
"""The most characters of an ID."""
MOST_ID_COLUMNS = 16
"""The most columns that identify an item."""

_MARK = "|"
_SPECIAL = re.compile(r"([\\|])")
_PART = re.compile(r"((?:[^\\|]|\\[\\|])*)(\||\Z)")
_DIGITS = re.compile(r"([0-9]+)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def text_of(value: Any) -> str:
    """Return a value as text, the same for values that are equal, whatever their type: 7 and 7.0 are ``7``."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral) or type(value).__name__ in ("bool", "bool_"):
        return str(value)
    if isinstance(value, Real):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, dt.datetime):
        is_day = value.tzinfo is None and value.time() == dt.time() and not getattr(value, "nanosecond", 0)
        return value.isoformat()[:10] if is_day else value.isoformat()
    return str(value)


def joined_id(parts: Sequence[str]) -> str:
    """Return the ID of an item from its text in each column."""
    return parts[0] if len(parts) == 1 else _MARK.join(_SPECIAL.sub(r"\\\1", part) for part in parts)


def split_id(text: str, columns: int) -> list[str]:
    """Undo `joined_id` for so many columns. Raises ValueError if the ID does not have as many parts."""
    if columns == 1:
        return [text]
    parts: list[str] = []
    place = 0
    while (match := _PART.match(text, place)) and len(parts) <= columns:
        parts.append(re.sub(r"\\(.)", r"\1", match[1]))
        place = match.end()
        if not match[2]:
            break
    if len(parts) != columns or place != len(text) or (match is not None and match[2]):
        raise ValueError(f"{text[:60]!r} does not have {columns} parts")
    return parts


def named_columns(named: Iterable[str], columns: Collection[str]) -> tuple[str, ...]:
    """Return the item columns that were named, of which one name may list several: ``store,sku``."""
    found: list[str] = []
    for name in named:
        parts = [part.strip() for part in name.split(",")]
        found += parts if name not in columns and all(part in columns for part in parts) else [name]
    return tuple(dict.fromkeys(found))


def in_order(ids: Iterable[str]) -> list[str]:
    """Return IDs in an order that does not depend on the order of rows: by text, and the numbers in it by value."""
    return sorted(ids, key=lambda text: ([*map(_by_value, _DIGITS.split(text))], text))


def _by_value(part: str) -> tuple[int, str]:
    """Return a key whose order is that of values; without `int`, which refuses more than 4300 digits."""
    if not part.isdecimal():
        return -1, part
    digits = part.lstrip("0")
    return len(digits), digits


def type_of_texts(texts: Iterable[str]) -> IdType:
    """Return ``integer`` if all texts are whole numbers without leading zeros, else ``string``."""
    return "integer" if all(_INTEGER.fullmatch(text) for text in texts) else "string"


def too_long(text: str) -> str | None:
    """Return why an ID is too long, or None."""
    if len(text) <= LONGEST_ID:
        return None
    return f"the item ID {text[:40]!r}... has {len(text)} characters, at most {LONGEST_ID} are allowed: shorten it"
