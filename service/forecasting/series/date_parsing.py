"""Parse calendar dates with or without a time of day: ISO 8601, and day, month and year in any order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from service.errors import AmbiguousDates, Path
from service.forecasting.series.parsed_times import ReadTimes, from_pattern, refuse, to_utc
from service.forecasting.series.time_format import OFFSET_PATTERN, TimeForm

_DATE = re.compile(
    r"([0-9]{1,4})([-/.])([0-9]{1,2})\2([0-9]{1,4})"
    r"(?:([T ])([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(?:\.([0-9]{1,9}))?)?)?"
    rf"({OFFSET_PATTERN})?"
)
KNOWN_FORMS = (
    "2024-01-31, 31.01.2024, 2024-01, 01.2024, Jan 2024, 2024Q1, 2024-W05, 2024, 20240131, 2024-01-31T12:00:00Z or "
    "seconds since 1970; for another form give date_format (such as %d.%m.%y for 31.01.24, %m/%y for 01/24)"
)


_FOUR_DIGITS = (
    "the year must have four digits and stand at the same end in all rows, or give date_format (such as %d.%m.%y)"
)


class _Date(NamedTuple):
    """The parts of a date as written; ``first``, ``second`` and ``third`` are year, month and day in some order."""

    first: str
    separator: str
    second: str
    third: str
    mark: str | None
    clock: str | None
    seconds: str | None
    fraction: str | None
    offset: str | None


def read_dates(texts: Sequence[str], path: Path) -> ReadTimes:
    """Parse a column of dates. Raises InvalidTimestamps, and AmbiguousDates if no row distinguishes day from month."""
    dates = [_Date(*match.groups()) for text in texts if (match := _DATE.fullmatch(text))]
    if len(dates) < len(texts):
        odd = next(i for i, text in enumerate(texts) if not _DATE.fullmatch(text))
        refuse(texts, odd, path, f"expected {KNOWN_FORMS}")
    _refuse_mixed_layout(dates, texts, path)
    order = "Ymd" if len(dates[0].first) == 4 else _order_of(dates, texts, path)
    local = from_pattern([_as_iso(date, order) for date in dates], "ISO8601", texts, path)
    return to_utc(local, [date.offset for date in dates], _form_of(dates, order), texts, path)


def _refuse_mixed_layout(dates: list[_Date], texts: Sequence[str], path: Path) -> None:
    lengths = (4, 2) if len(dates[0].first) == 4 else (2, 4)
    for index, date in enumerate(dates):
        year, other = (date.first, date.third) if lengths == (4, 2) else (date.third, date.first)
        if len(year) != 4 or len(other) > 2:
            refuse(texts, index, path, _FOUR_DIGITS)
        if date.separator != dates[0].separator:
            refuse(texts, index, path, f"the rows before it are written with {dates[0].separator!r}")


def _order_of(dates: list[_Date], texts: Sequence[str], path: Path) -> str:
    """Decide between day-first and month-first by a row that only one of them allows."""
    day_first = next((i for i, date in enumerate(dates) if int(date.first) > 12), None)
    month_first = next((i for i, date in enumerate(dates) if int(date.second) > 12), None)
    if day_first is not None and month_first is not None:
        refuse(
            texts, max(day_first, month_first), path, "its day and month stand the other way round than in other rows"
        )
    if day_first is not None or month_first is not None:
        return "mdY" if day_first is None else "dmY"
    cures = " or ".join(dates[0].separator.join(f"%{letter}" for letter in order) for order in ("dmY", "mdY"))
    raise AmbiguousDates.at(
        (*path, 0),
        f"{texts[0]!r} can be read with the day or with the month first, and no other row settles it: "
        f"give date_format (such as {cures})",
    )


def _as_iso(date: _Date, order: str) -> str:
    if order == "Ymd":
        day = f"{date.first}-{date.second:0>2}-{date.third:0>2}"
    elif order == "dmY":
        day = f"{date.third}-{date.second:0>2}-{date.first:0>2}"
    else:
        day = f"{date.third}-{date.first:0>2}-{date.second:0>2}"
    if date.clock is None:
        return day
    fraction = f".{date.fraction}" if date.fraction else ""
    return f"{day}T{date.clock}{date.seconds or ''}{fraction}"


def _form_of(dates: list[_Date], order: str) -> TimeForm:
    """Return the finest format that occurs in the column."""
    pattern = dates[0].separator.join(f"%{letter}" for letter in order)
    mark = next((date.mark for date in dates if date.mark), None)
    if mark:
        seconds = ":%S" if any(date.seconds for date in dates) else ""
        pattern = f"{pattern}{mark}%H:%M{seconds}"
    fraction = max(len(date.fraction or "") for date in dates)
    padded = all(len(number) != 1 for date in dates for number in (date.first, date.second, date.third))
    return TimeForm(pattern, fraction, padded=padded)
