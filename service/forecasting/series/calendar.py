"""Which times of a frequency have rows: a shop is closed on Sundays and at night, a bill is due on the 15th."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter

from service.forecasting.series.frequency import DAY, WEEKDAYS, Weekday
from service.forecasting.series.time_format import TimeArray

Month = Annotated[int, Field(strict=True, ge=1, le=12)]

MOST_RANGES = 24


@dataclass(frozen=True)
class Calendar:
    """The rows of a frequency that exist; a field that is None excludes none.

    weekdays: days of the week with rows, in local time.
    hours: if there are several rows a day, the ranges of local times with rows on each of the weekdays, such as
        ``08:00-20:00``, both ends included.
    months: months of the year with rows; 1 is January.
    day: day of the month of the rows of months, quarters and years, or the last day of shorter months.
    """

    weekdays: tuple[Weekday, ...] | None = None
    hours: Mapping[Weekday, Annotated[tuple[str, ...], Field(max_length=MOST_RANGES)]] | None = None
    months: tuple[Month, ...] | None = None
    day: Annotated[int, Field(strict=True, ge=1, le=31)] | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def restricts(self) -> bool:
        """Whether the calendar excludes rows of the frequency, rather than only moving them to a day."""
        return self.weekdays is not None or self.months is not None

    def includes(self, local: TimeArray) -> NDArray[np.bool_]:
        """Return which local times (time,) have rows."""
        included = np.ones(len(local), np.bool_)
        if self.months is not None:
            included &= np.isin(month_of_year(local), self.months)
        if self.weekdays is not None:
            days = weekday_of(local)
            included &= np.isin(days, [WEEKDAYS.index(name) for name in self.weekdays])
            clock = clock_of(local)
            for name, ranges in self._ranges.items():
                within = np.zeros(len(local), np.bool_)
                for first, last in ranges:
                    within |= (clock >= first) & (clock <= last)
                included &= within | (days != WEEKDAYS.index(name))
        return included

    def rows_of_day(self, step: int) -> int | None:
        """Return the rows of each day with rows at a step in nanoseconds, or None if days differ in them."""
        counts = {self._rows(name, step) for name in self.weekdays or WEEKDAYS}
        return counts.pop() if len(counts) == 1 else None

    def rows_of_week(self, step: int) -> int:
        """Return the rows of a week at a step in nanoseconds."""
        return sum(self._rows(name, step) for name in self.weekdays or WEEKDAYS)

    def _rows(self, name: Weekday, step: int) -> int:
        ranges = self._ranges.get(name)
        return DAY // step if ranges is None else sum((last - first) // step + 1 for first, last in ranges)

    @cached_property
    def _ranges(self) -> dict[Weekday, list[tuple[int, int]]]:
        parsed: dict[Weekday, list[tuple[int, int]]] = {}
        for name, ranges in (self.hours or {}).items():
            ends = [one.partition("-") for one in ranges]
            parsed[name] = [(_nanoseconds(first), _nanoseconds(last)) for first, _, last in ends]
        return parsed

    def to_record(self) -> dict[str, Any]:
        """Return the calendar as plain JSON values."""
        record: dict[str, Any] = {}
        if self.weekdays is not None:
            record["weekdays"] = list(self.weekdays)
        if self.hours is not None:
            record["hours"] = {name: list(ranges) for name, ranges in self.hours.items()}
        if self.months is not None:
            record["months"] = list(self.months)
        if self.day is not None:
            record["day"] = self.day
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Calendar:
        """Restore a calendar from `to_record`; raises ValueError for an invalid record."""
        calendar = _ADAPTER.validate_python(record)
        days = set(calendar.weekdays or ())
        ranges = [one for found in calendar._ranges.values() for one in found]
        if any(first > last for first, last in ranges) or set(calendar.hours or days) != days:
            raise ValueError("not the record of a calendar")
        if () in (calendar.weekdays, calendar.months) or (calendar.hours is not None and not calendar.hours):
            raise ValueError("a calendar without rows")
        return calendar


_ADAPTER = TypeAdapter(Calendar)


def clock_of(local: TimeArray) -> NDArray[np.int64]:
    """Return the time of day of each local time in nanoseconds."""
    return np.asarray((local - local.astype("datetime64[D]")).astype(np.int64))


def weekday_of(local: TimeArray) -> NDArray[np.int64]:
    """Return the weekday of each local time; 0 is Monday."""
    # 1 January 1970 was a Thursday.
    return np.asarray((local.astype("datetime64[D]").astype(np.int64) + 3) % 7)


def month_of_year(local: TimeArray) -> NDArray[np.int64]:
    """Return the month of each local time; 1 is January."""
    return np.asarray(local.astype("datetime64[M]").astype(np.int64) % 12 + 1)


def day_of_month(local: TimeArray) -> NDArray[np.int64]:
    """Return the day of the month of each local time, from 1 on."""
    return np.asarray((local.astype("datetime64[D]") - local.astype("datetime64[M]")).astype(np.int64) + 1)


def on_day(months: TimeArray, day: int) -> TimeArray:
    """Return a day of each month, or the last day of shorter months, at the time of day of ``months``."""
    start = months.astype("datetime64[M]")
    last = (start + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    days = np.minimum(start.astype("datetime64[D]") + np.timedelta64(day - 1, "D"), last)
    return np.asarray(days + clock_of(months).astype("timedelta64[ns]"))


def written_clock(nanoseconds: int) -> str:
    """Return a time of day as ``08:00``, with seconds and their fraction if it has them."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
    if seconds % 60 or fraction:
        text += f":{seconds % 60:02}"
    return f"{text}.{fraction:09}".rstrip("0") if fraction else text


def _nanoseconds(clock: str) -> int:
    """Parse `written_clock`. Raises ValueError."""
    hours, minutes, seconds = (clock if clock.count(":") == 2 else f"{clock}:00").split(":")
    whole, _, fraction = seconds.partition(".")
    parsed = (int(hours) * 60 + int(minutes)) * 60 + int(whole)
    if not 0 <= parsed < 86_400:
        raise ValueError(f"no time of day: {clock!r}")
    return parsed * 10**9 + int(fraction.ljust(9, "0")[:9])
