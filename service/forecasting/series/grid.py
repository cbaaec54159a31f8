"""Regular grids of times: generated from a frequency and a calendar, and located."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series import frequency
from service.forecasting.series.calendar import Calendar, on_day, weekday_of
from service.forecasting.series.frequency import DAY, WEEKDAYS
from service.forecasting.series.resampling import How
from service.forecasting.series.time_format import TimeArray, TimestampFormat

_LAST = np.iinfo(np.int64).max
_LAST_DAY = np.datetime64(_LAST, "ns").astype("datetime64[D]")
# The rows of a frequency that are generated for one row that its calendar includes (an hour of a week is one of 168),
# and for the longest time without any: minutes of a week, hours of a year.
_MOST_EXCLUDED = 200
_LONGEST_CLOSED = 12_000
_PERIODS = ("Y", "Q", "M")


@dataclass(frozen=True)
class Grid:
    """The times at which there are rows: those of a frequency that a calendar includes.

    form: the format of the client's times, which says what local time is. Steps of days and more are steps of local
    time; shorter steps have a constant length, unless they are by_clock: then rows are at the same local times each
    day, which are hours apart where clocks change. how: how rows that a client sends are aggregated to rows of the
    grid; None: each is one.
    """

    freq: str
    form: TimestampFormat
    calendar: Calendar | None = None
    how: How | None = None
    by_clock: bool = False

    @property
    def is_restricted(self) -> bool:
        """Whether the calendar excludes rows of the frequency."""
        return self.calendar is not None and self.calendar.restricts

    def range(self, start: np.datetime64, length: int) -> TimeArray:
        """Return ``length`` times from ``start`` on, which must be one of them.

        Raises OverflowError outside the times that nanoseconds can represent (about year 2262).
        """
        first = self.steps_of(np.array([start]))[0]
        count = length
        while True:
            times = self._without_calendar(first, count)
            included = times[self.includes(times)]
            if len(included) >= length:
                return self.form.absolute(included[:length]) if self._is_local else included[:length]
            if count > _MOST_EXCLUDED * length + _LONGEST_CLOSED:
                raise OverflowError(self.freq)
            count = 2 * count + 30

    def after(self, time: np.datetime64, steps: int) -> TimeArray:
        """Return the ``steps`` times after a row, which may lie beside the grid within its month or week.

        Raises OverflowError as `range` does.
        """
        return self.around(time, steps + 1)[1:]

    def around(self, time: np.datetime64, length: int) -> TimeArray:
        """Return ``length`` times from the row of the period in which a time lies; see `after`."""
        return self.range(self._row_of(time), length)

    def locate(self, times: TimeArray) -> Placement | None:
        """Place ordered times; return None if one of them does not lie on the grid."""
        steps = self.steps_of(times)
        placement = self._locate(steps)
        if placement is None or not (self.is_restricted or self._may_skip):
            return placement and Placement(self, times, *placement)
        positions, length = placement
        if length > _MOST_EXCLUDED * len(times) + _LONGEST_CLOSED:
            return None
        included = self.includes(self._without_calendar(steps[0], length))
        if not included[positions].all():
            return None
        return Placement(self, times, (np.cumsum(included) - 1)[positions], int(included.sum()))

    def snap(self, times: TimeArray, written_unit: str) -> TimeArray:
        """Move times that were written as years, quarters or months to the row of that period.

        1949-01 becomes 1949-01-31 if the frequency is month ends; a period without a row is unchanged.
        """
        months = {"Y": 12, "Q": 3, "M": 1}
        if written_unit not in months or frequency.unit_of(self.freq) not in months:
            return times
        local = self.steps_of(times)
        moved = next_on(self.freq, local)
        if self._day is not None:
            moved = on_day(moved, self._day)
        period, before = moved.astype("datetime64[M]").astype(np.int64), local.astype("datetime64[M]").astype(np.int64)
        is_same = period // months[written_unit] == before // months[written_unit]
        return np.where(is_same, self.form.absolute(moved), times)

    def next(self, times: TimeArray) -> TimeArray:
        """Move each time that does not lie on the frequency to the next one that does."""
        steps = next_on(self.freq, self.steps_of(times))
        return self.form.absolute(steps) if self._is_local else steps

    def steps_of(self, times: TimeArray) -> TimeArray:
        """Return times as the steps of the frequency count them: local if it has steps of days or more, or by clock."""
        if self.by_clock:  # local times as they are: a skipped midnight is no row
            return self.form.local(times)
        return self.form.local_days(times) if self._is_local else times

    def includes(self, steps: TimeArray) -> NDArray[np.bool_]:
        """Return which times, as `steps_of` returns them, exist and are included by the calendar."""
        exist = self._exist(steps) if self._may_skip else np.ones(len(steps), np.bool_)
        if self.calendar is None or not self.is_restricted:
            return exist
        return exist & self.calendar.includes(steps if self._is_local else self.form.local(steps))

    @property
    def season_length(self) -> int | None:
        """Rows in one natural season, or None if there is none; see `frequency.season_length_of`.

        Of a calendar with hours, a day if all days have the same rows, else a week.
        """
        length, step = frequency.season_length_of(self.freq), frequency.step_of(self.freq)
        if length is None or self.calendar is None:
            return length
        if step == DAY:
            return self.calendar.rows_of_week(step)
        if step is not None and step < DAY:
            return self.calendar.rows_of_day(step) or self.calendar.rows_of_week(step)
        return len(self.calendar.months) if self.calendar.months and length == 12 else length

    @property
    def rows_of_day(self) -> float:
        """Rows of a day that has rows, on average."""
        days = len(self.calendar.weekdays) if self.calendar and self.calendar.weekdays else 7
        return self.rows_of_week / (5 if self.freq == "B" else days)

    @property
    def days_of_week(self) -> int | None:
        """Days of a week with rows, if each of them has the same several rows all year round, else None."""
        step = frequency.step_of(self.freq)
        if step is None or step >= DAY or DAY % step:
            return None
        if self.calendar is None:
            return 7
        alike = self.calendar.months is None and self.calendar.rows_of_day(step)
        return len(self.calendar.weekdays or WEEKDAYS) if alike else None

    @property
    def rows_of_week(self) -> float:
        """Rows of a week, on average over those of months with rows."""
        if self.freq == "B":
            return 5
        step = frequency.step_of(self.freq)
        if step is not None and step <= DAY and self.calendar:
            return self.calendar.rows_of_week(step)
        return 7 * DAY / (step or 30 * DAY)

    @property
    def _day(self) -> int | None:
        return self.calendar.day if self.calendar else None

    @property
    def _is_local(self) -> bool:
        return self.by_clock or frequency.unit_of(self.freq) in (*_PERIODS, "W", "D")

    @property
    def _may_skip(self) -> bool:
        """Whether clocks may skip rows: times of day, or a whole day, as Samoa did in 2011."""
        return self.form.zone is not None and (self.by_clock or frequency.name_of(self.freq) in ("D", "B"))

    def _exist(self, steps: TimeArray) -> NDArray[np.bool_]:
        kept = self.steps_of(self.form.absolute(steps))
        unit = "ns" if self.by_clock else "D"
        return np.asarray(kept.astype(f"datetime64[{unit}]") == steps.astype(f"datetime64[{unit}]"))

    def _without_calendar(self, first: np.datetime64, length: int) -> TimeArray:
        if self._day is None:
            return date_range(self.freq, first, length)
        return on_day(date_range(self.freq, on_day(np.array([first]), 1)[0], length), self._day)

    def _locate(self, steps: TimeArray) -> tuple[NDArray[np.intp], int] | None:
        """Return the positions (time,) on the frequency, and the number of its rows from the first to the last."""
        step = frequency.step_of(self.freq)
        if step is not None:
            since = nanoseconds_between(steps[0], steps)
            name, _, anchor = self.freq.partition("-")
            if np.any(since % step) or (name.endswith("W") and anchor != WEEKDAYS[weekday_of(steps[:1])[0]]):
                return None
            return (since // step).astype(np.intp), int(since[-1] // step) + 1
        if cycle := _cycle_of(self.freq):
            months = steps.astype("datetime64[M]")
            since_months = (months - months[0]).astype(np.int64)
            days = cycle.days(months) + (steps[:1] - steps[:1].astype("datetime64[D]"))
            rows = days if self._day is None else on_day(days, self._day)
            if np.any(since_months % cycle.step) or cycle.until(months[:1])[0] or not np.array_equal(rows, steps):
                return None
            return (since_months // cycle.step).astype(np.intp), int(since_months[-1] // cycle.step) + 1
        grid = self._between(steps[0], steps[-1])
        if grid is None or not len(grid) or grid[0] != steps[0] or grid[-1] != steps[-1]:
            return None
        positions = np.searchsorted(grid, steps)
        return (positions, len(grid)) if np.array_equal(grid[positions], steps) else None

    def _between(self, first: np.datetime64, last: np.datetime64) -> TimeArray | None:
        import pandas as pd

        if self._day is not None:
            first, last = on_day(np.array([first, last]), 1)
        try:
            grid = np.asarray(pd.date_range(first, last, freq=self.freq, unit="ns").to_numpy())
        except (ValueError, OverflowError):
            return None
        return grid if self._day is None else on_day(grid, self._day)

    def _row_of(self, time: np.datetime64) -> np.datetime64:
        """Return the row of the month, quarter or year in which a time lies, or the nearest one of weeks."""
        local = self.steps_of(np.array([time]))
        unit = frequency.unit_of(self.freq)
        if unit == "W":
            anchor = WEEKDAYS.index(self.freq.partition("-")[2])
            distance = (anchor - int(weekday_of(local)[0]) + 3) % 7 - 3
            row = local + np.timedelta64(distance, "D")
        elif unit in _PERIODS:
            row = next_on(self.freq, on_day(local, 1)) if self._day is None else on_day(local, self._day)
        else:
            return time
        found: np.datetime64 = self.form.absolute(row)[0]
        return found


@dataclass(frozen=True)
class Placement:
    """The positions of ordered times on a grid that starts at the first of them.

    times: (time,) datetime64[ns]; positions: (time,) the row of each; length: rows from the first to the last.
    """

    grid: Grid
    times: TimeArray
    positions: NDArray[np.intp]
    length: int


@dataclass(frozen=True)
class _Cycle:
    """The starts or ends of every ``step`` months, of months that are ``anchor`` modulo ``period``; 0 is January."""

    step: int
    period: int
    anchor: int
    is_end: bool

    def days(self, months: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
        """Return the first or last day of each month."""
        return np.asarray((months + self.is_end).astype("datetime64[D]") - int(self.is_end))

    def until(self, months: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Return the number of months from each one until the next of the cycle."""
        return np.asarray((self.anchor - months.astype(np.int64)) % self.period)


@lru_cache(maxsize=256)
def _cycle_of(freq: str) -> _Cycle | None:
    """Return the cycle of starts or ends of months, quarters or years, or None of another frequency."""
    name, anchor = frequency.name_of(freq), freq.partition("-")[2]
    if name not in ("MS", "ME", "QS", "QE", "YS", "YE"):
        return None
    period = {"M": 1, "Q": 3, "Y": 12}[name[0]]
    month = frequency.MONTHS.index(anchor) if anchor else 0
    return _Cycle(period * frequency.multiple_of(freq), period, month, name.endswith("E"))


def date_range(freq: str, start: np.datetime64, length: int) -> TimeArray:
    """Return ``length`` times of a frequency from ``start`` on, which must lie on it.

    Raises OverflowError outside the times that nanoseconds can represent (about year 2262).
    """
    step = frequency.step_of(freq)
    if step is not None:
        first = int(start.astype(np.int64))
        if first + step * (length - 1) > _LAST:
            raise OverflowError(freq)
        return (first + step * np.arange(length)).astype("datetime64[ns]")
    if cycle := _cycle_of(freq):
        days = cycle.days(start.astype("datetime64[M]") + cycle.step * np.arange(length))
        if days[-1] >= _LAST_DAY:
            raise OverflowError(freq)
        return np.asarray(days + (start - start.astype("datetime64[D]")))
    if frequency.name_of(freq) == "B":
        return _business_days(frequency.multiple_of(freq), start, length)
    import pandas as pd

    try:
        grid = pd.date_range(pd.Timestamp(start), periods=length, freq=freq).as_unit("ns")
    except (ValueError, pd.errors.OutOfBoundsDatetime) as error:
        raise OverflowError(freq) from error
    return np.asarray(grid.to_numpy())


def _business_days(multiple: int, start: np.datetime64, length: int) -> TimeArray:
    """Return ``length`` business days; pandas raises an error if they are more than 292 years. See `date_range`."""
    first = start.astype("datetime64[D]")
    days = np.busday_offset(first, multiple * np.arange(length))
    if days[-1] >= _LAST_DAY:
        raise OverflowError(length)
    return np.asarray(days + (start - first))


def next_on(freq: str, times: TimeArray) -> TimeArray:
    """Move each time that does not lie on a frequency to the next one that does."""
    if cycle := _cycle_of(freq):
        months, days = times.astype("datetime64[M]"), times.astype("datetime64[D]")
        months = months + (cycle.days(months) < days).astype("timedelta64[M]")
        return np.asarray(cycle.days(months + cycle.until(months)) + (times - days))
    import pandas as pd

    offset = pd.tseries.frequencies.to_offset(freq)
    moved = pd.DatetimeIndex([offset.rollforward(time) for time in pd.DatetimeIndex(times)])
    return np.asarray(moved.as_unit("ns").to_numpy())


def nanoseconds_between(earlier: TimeArray | np.datetime64, later: TimeArray) -> NDArray[np.uint64]:
    """Return differences; the range of all times exceeds that of a signed difference."""
    return np.asarray(later.view(np.uint64) - earlier.view(np.uint64))
