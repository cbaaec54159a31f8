"""Times in several columns of a table: a date and a time of day, or year, month, day and hour."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple, Protocol

from service.errors import InvalidSeries
from service.tables.column_roles import part_of_name, role_of_name
from service.tables.number_format import PATH

_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?: ?[AaPp]\.?[Mm]\.?)?")
_CLOCK_IN_DATE = re.compile(r".*[0-9]:[0-9]{2}.*")
_PERIOD = re.compile(r"M(?:0[1-9]|1[0-2])|Q0?[1-4]|W[0-5][0-9]")
_NUMBER = re.compile(r"([0-9]{1,4})(?:\.0+)?")
_RANGES = {"quarter": (1, 4), "month": (1, 12), "week": (1, 53), "day": (1, 31), "hour": (0, 23), "minute": (0, 59)}
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
    if "year" not in parts or not _numbers(table.columns[parts["year"]], 1000, 9999):
        return None
    for order in _ORDERS:
        found: list[str] = []
        for part in order:
            if part not in parts or not _numbers(table.columns[parts[part]], *_RANGES[part]):
                break
            found.append(part)
        if found:
            names = tuple(parts[part] for part in ("year", *found))
            return TimeParts(names, _written(table, names, found))
    return None


def _numbered_periods(table: Columns, names: tuple[str, str]) -> TimeParts | None:
    """Return years with the numbered periods of another column, as statistics offices write them: M01, Q1, W05."""
    years, periods = (table.columns[name] for name in names)
    if not _numbers(years, 1000, 9999) or not all(map(_PERIOD.fullmatch, periods)):
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
        if is_hour and all(cells) and _numbers(cells, *_RANGES["hour"]):
            rows = zip(table.columns[dates], cells, strict=True)
            return TimeParts((dates, name), [f"{date} {int(float(hour)):02}:00" for date, hour in rows])
    return None


def _numbers(cells: list[str], least: int, most: int) -> bool:
    """Return whether there are cells that are not empty, and all are whole numbers within these bounds."""
    matches = [_NUMBER.fullmatch(cell) for cell in cells if cell]
    return bool(matches) and all(match and least <= int(match[1]) <= most for match in matches)


def _written(table: Columns, names: tuple[str, ...], parts: list[str]) -> list[str]:
    rows = []
    for row, cells in enumerate(zip(*(table.columns[name] for name in names), strict=True)):
        if not all(cells):
            empty = names[cells.index("")]
            raise InvalidSeries.at(PATH, f"row {row + 1}: the cell of {empty[:60]!r}, a part of the time, is empty")
        numbers = [int(float(cell)) for cell in cells]
        if parts == ["quarter"]:
            rows.append(f"{numbers[0]}Q{numbers[1]}")
        elif parts == ["week"]:
            rows.append(f"{numbers[0]}-W{numbers[1]:02}")
        else:
            date = "-".join(f"{number:02}" for number in numbers[:3])
            clock = [*numbers[3:], 0][:2] if len(numbers) > 3 else []
            rows.append(f"{date}T{':'.join(f'{number:02}' for number in clock)}" if clock else date)
    return rows
