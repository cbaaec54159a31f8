"""Times in several columns of a table: a date and a time of day, or year, month, day and hour."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import takewhile
from typing import NamedTuple, Protocol

from service.errors import InvalidSeries
from service.tables.column_roles import part_of_name, role_of_name
from service.tables.month_names import language_of, month_of
from service.tables.number_format import PATH

OFFSET_PATTERN = r" ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)"
"""An offset from UTC, after a time of day."""

_CLOCK = re.compile(
    rf"[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]{{1,9}})?)?(?: ?[AaPp]\.?[Mm]\.?)?(?:{OFFSET_PATTERN})?"
)
_CLOCK_IN_DATE = re.compile(r".*[0-9]:[0-9]{2}.*")
_PERIOD = re.compile(r"M(?:0[1-9]|1[0-2])|Q0?[1-4]|W[0-5][0-9]")
_NUMBER = r"([0-9]{1,4})(?:\.0+)?"
_CELL = {"quarter": re.compile(f"(?:Q|Q0)?{_NUMBER}", re.I), "week": re.compile(f"(?:W|KW ?|Week )?{_NUMBER}", re.I)}
_NUMBER_ALONE = re.compile(_NUMBER)
_RANGES = {
    **{"year": (1000, 9999), "quarter": (1, 4), "month": (1, 12), "week": (1, 53)},
    **{"day": (1, 31), "hour": (0, 24), "minute": (0, 59)},
}
# What follows a year, in order; each needs those before it.
_ORDERS = (("month", "day", "hour", "minute"), ("quarter",), ("week",))


class Columns(Protocol):
    """A table of text."""

    @property
    def columns(self) -> dict[str, list[str]]:
        """Cells by name of the column."""
        ...


class TimeParts(NamedTuple):
    """The columns that hold the parts of times, and the times."""

    names: tuple[str, ...]
    texts: list[str]


def times_of_parts(table: Columns, taken: Collection[str | None]) -> TimeParts | None:
    """Return the times of columns that are named year, month, day and so on, or None if there are none.

    taken: columns with another role. Raises InvalidSeries for a row without a part.
    """
    parts: dict[str, str] = {}
    for name in table.columns:
        part = part_of_name(name)
        if part is not None and name not in taken:
            if part in parts:
                return None
            parts[part] = name
    if "year" in parts and "period" in parts:
        return _numbered_periods(table, (parts["year"], parts["period"]))
    if "year" not in parts:
        return None
    numbers = {part: _numbers(table.columns[name], part) for part, name in parts.items() if part in _RANGES}
    for order in _ORDERS if numbers["year"] else ():
        found = {parts[part]: one for part in ("year", *takewhile(numbers.get, order)) if (one := numbers[part])}
        if len(found) > 1:
            return TimeParts(tuple(found), _written(found, order[0]))
    return None


def _numbered_periods(table: Columns, names: tuple[str, str]) -> TimeParts | None:
    """Return years with the numbered periods of another column, as statistics offices write them: M01, Q1, W05."""
    years, periods = (table.columns[name] for name in names)
    if not _numbers(years, "year") or not all(map(_PERIOD.fullmatch, periods)):
        return None
    return TimeParts(names, [f"{int(float(year))}-{period}" for year, period in zip(years, periods, strict=True)])


def times_with_clock(table: Columns, dates: str, taken: Collection[str | None]) -> TimeParts | None:
    """Return dates with the times of day or hours of another column, or None if no other column contains these."""
    if any(_CLOCK_IN_DATE.fullmatch(cell) for cell in table.columns[dates]):
        return None
    for name, cells in table.columns.items():
        is_named = role_of_name(name) in ("time", "period")
        if name not in (dates, *taken) and is_named and cells and all(map(_CLOCK.fullmatch, cells)):
            rows = zip(table.columns[dates], cells, strict=True)
            return TimeParts((dates, name), [f"{date} {clock}" for date, clock in rows])
    for name, cells in table.columns.items():
        is_hour = name not in (dates, *taken) and part_of_name(name) == "hour"
        hours = _numbers(cells, "hour") if is_hour else None
        if hours and None not in hours:
            with_hour = zip(table.columns[dates], hours, strict=True)
            return TimeParts((dates, name), [f"{date} {hour:02}:00" for date, hour in with_hour])
    return None


def _numbers(cells: list[str], part: str) -> list[int | None] | None:
    """Return the cells of a part of times as numbers, None where empty, or None if they are not all such.

    Months may have names, and quarters and weeks a letter: January, Q1, W05.
    """
    known = [cell for cell in cells if cell]
    language = language_of(known) if part == "month" else None
    if known and language is not None:
        return [month_of(cell, language) if cell else None for cell in cells]
    matches = [_CELL.get(part, _NUMBER_ALONE).fullmatch(cell) for cell in known]
    least, most = _RANGES[part]
    if not matches or not all(match and least <= int(match[1]) <= most for match in matches):
        return None
    numbers = iter(int(match[1]) for match in matches if match)
    return [next(numbers) if cell else None for cell in cells]


def first_not_of_part(cells: list[str], part: str) -> str | None:
    """Return the first cell that is not empty and no number of a part of times, or None."""
    return next((cell for cell in dict.fromkeys(cells) if cell and _numbers([cell], part) is None), None)


def _written(parts: dict[str, list[int | None]], kind: str) -> list[str]:
    """Return times of parts by name of the column; kind: the part after the year."""
    rows = []
    for row, found in enumerate(zip(*parts.values(), strict=True)):
        numbers = [number for number in found if number is not None]
        if len(numbers) < len(found):
            empty = list(parts)[found.index(None)]
            raise InvalidSeries.at(PATH, f"row {row + 1}: the cell of {empty[:60]!r}, a part of the time, is empty")
        if kind == "quarter":
            rows.append(f"{numbers[0]}Q{numbers[1]}")
        elif kind == "week":
            rows.append(f"{numbers[0]}-W{numbers[1]:02}")
        else:
            date = "-".join(f"{number:02}" for number in numbers[:3])
            clock = [*numbers[3:], 0][:2] if len(numbers) > 3 else []
            rows.append(f"{date}T{':'.join(f'{number:02}' for number in clock)}" if clock else date)
    return rows
