"""The times of the rows of a series, and the regular grids on which they lie: generated, located and inferred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import AmbiguousDates, HorizonTooLong, InvalidTimestamps, Path
from service.forecasting.series import frequency
from service.forecasting.series.time_format import RawTime, ReadTimes, TimeArray, TimestampFormat, minutes_of
from service.forecasting.series.time_parsing import errors_at, read_times

_LONGEST = 100_000_000
_DAY = 86_400 * 10**9
_LAST = np.iinfo(np.int64).max
_NO_RECORD = "not the record of a time axis"


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """One time per row, in order.

    index: (time,) datetime64[ns], UTC if the client's times had an offset. Holidays of a business-day series
        are absent; all other times are present.
    freq: current pandas alias of the step from row to row.
    form: the format in which the client writes times.
    """

    index: TimeArray
    freq: str
    form: TimestampFormat

    def __len__(self) -> int:
        return len(self.index)

    def slice(self, start: int, stop: int) -> TimeAxis:
        """Return the rows from ``start`` up to ``stop``."""
        return TimeAxis(self.index[start:stop], self.freq, self.form)

    def future(self, steps: int) -> TimeAxis:
        """Return the ``steps`` times after the last one. Raises HorizonTooLong beyond the year 2262."""
        try:
            times = date_range(self.freq, self.index[-1], steps + 1)[1:]
        except OverflowError:
            detail = f"{steps} steps of {self.freq} after {self.written()[-1]} go beyond the year 2262: ask for fewer"
            raise HorizonTooLong.at(("horizon",), detail) from None
        return TimeAxis(times, self.freq, self.form)

    def written(self) -> list[str | int]:
        """Return the times in the client's format."""
        return self.form.write(self.index)

    def position(self, timestamp: RawTime, path: Path) -> int:
        """Return the first row at or after a time in any accepted format, or the length if all rows are earlier.

        A time without an offset is assumed to have the offset of the series. Raises InvalidTimestamps at ``path``.
        """
        with errors_at(path):
            read = self._read_column([timestamp], None, path)
        time = read.times[0]
        if read.form.offset is not None and self.form.offset is None and not self.form.is_epoch:
            raise InvalidTimestamps.at(path, f"{timestamp!r} has an offset from UTC, the series has none: leave it out")
        if read.form.offset is None and not read.form.is_epoch:
            time = time - np.timedelta64(minutes_of(self.form.offset), "m")
        return int(np.searchsorted(self.index, time))

    def read(self, timestamps: Sequence[RawTime], date_format: str | None, path: Path) -> TimeArray:
        """Parse times at ``path`` in any accepted format, to the values that they have in ``index``.

        Raises InvalidTimestamps, also if only these or only the series' own times have an offset from UTC;
        AmbiguousDates, and InvalidOption for ``date_format``.
        """
        read = self._read_column(timestamps, date_format, path)
        if len(timestamps) and _is_absolute(read.form) != _is_absolute(self.form):
            own = self.slice(len(self) - 1, len(self)).written()[0]
            kind = "an offset from UTC" if _is_absolute(read.form) else "no offset from UTC"
            detail = f"{timestamps[0]!r} has {kind}, unlike the times of the series: write it as they are, as {own!r}"
            raise InvalidTimestamps.at((*path, 0), detail)
        return snap_to_periods(read.times, read.form.unit, self.freq)

    def _read_column(self, timestamps: Sequence[RawTime], date_format: str | None, path: Path) -> ReadTimes:
        if date_format is not None:
            return read_times(timestamps, date_format, path)
        # Years and months have no offset; with %z, the "-01" of 2020-06-01 would be read as an offset and not as a day.
        suffixes = ("",) if self.form.unit in ("Y", "Q", "M", "W") else ("", "%z")
        faults = []
        for pattern in () if self.form.is_epoch else [self.form.pattern + suffix for suffix in suffixes]:
            try:
                return read_times(timestamps, pattern, path)
            except InvalidTimestamps as error:
                faults.append(error)
        try:
            return read_times(timestamps, None, path)
        except AmbiguousDates as error:
            # If the series determines which part is the day, the error is the row that does not match its format.
            raise faults[0] if self.form.pattern[:2] in ("%d", "%m") else error from None

    def to_record(self) -> dict[str, Any]:
        """Return the axis as plain JSON values: start, frequency and length if it is regular, else every time."""
        record: dict[str, Any] = {"freq": self.freq, "form": self.form.to_record()}
        counts = self.index.astype(np.int64).tolist()
        with suppress(IndexError, OverflowError):
            if np.array_equal(date_range(self.freq, self.index[0], len(self)), self.index):
                return {**record, "start": counts[0], "length": len(self)}
        return {**record, "index": counts}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TimeAxis:
        """Restore an axis from `to_record`; raises ValueError for an invalid record."""
        try:
            freq, form = record["freq"], TimestampFormat.from_record(record["form"])
            if not isinstance(freq, str) or not frequency.is_current(freq):
                raise ValueError(_NO_RECORD)
            if "index" in record:
                index = np.array(record["index"], dtype=np.int64).astype("datetime64[ns]")
            else:
                start, length = record["start"], record["length"]
                if type(start) is not int or type(length) is not int or not 0 < length <= _LONGEST:
                    raise ValueError(_NO_RECORD)
                index = date_range(freq, np.datetime64(start, "ns"), length)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(_NO_RECORD) from error
        if index.ndim != 1 or np.isnat(index).any() or np.any(np.diff(index) <= np.timedelta64(0, "ns")):
            raise ValueError("the times of a time axis are not in order")
        return cls(index, freq, form)


def _is_absolute(form: TimestampFormat) -> bool:
    """Return whether times are absolute, rather than local times of an unknown place."""
    return form.offset is not None or form.is_epoch


@dataclass(frozen=True)
class Placement:
    """The positions of ordered times on the grid of a frequency that starts at the first of them.

    times: (time,) datetime64[ns]; positions: (time,) the row of each; length: rows from the first to the last.
    """

    freq: str
    times: TimeArray
    positions: NDArray[np.intp]
    length: int


def date_range(freq: str, start: np.datetime64, length: int) -> TimeArray:
    """Return ``length`` times from ``start`` on, which must lie on the grid.

    Raises OverflowError outside the times that nanoseconds can represent (about year 2262).
    """
    step = frequency.step_of(freq)
    if step is not None:
        first = int(start.astype(np.int64))
        if first + step * (length - 1) > _LAST:
            raise OverflowError(freq)
        return (first + step * np.arange(length)).astype("datetime64[ns]")
    import pandas as pd

    try:
        grid = pd.date_range(pd.Timestamp(start), periods=length, freq=freq).as_unit("ns")
    except (ValueError, pd.errors.OutOfBoundsDatetime) as error:
        raise OverflowError(freq) from error
    return np.asarray(grid.to_numpy())


def locate(times: TimeArray, freq: str) -> Placement | None:
    """Place ordered times on the grid of a frequency; return None if one of them does not lie on it."""
    step = frequency.step_of(freq)
    if step is not None:
        since = _nanoseconds_between(times[0], times)
        name, _, anchor = freq.partition("-")
        if np.any(since % step) or (name.endswith("W") and anchor != frequency.WEEKDAYS[_weekday(times[0])]):
            return None
        return Placement(freq, times, (since // step).astype(np.intp), int(since[-1] // step) + 1)
    import pandas as pd

    try:
        grid = np.asarray(pd.date_range(times[0], times[-1], freq=freq, unit="ns").to_numpy())
    except (ValueError, OverflowError):
        return None
    if not len(grid) or grid[0] != times[0] or grid[-1] != times[-1]:
        return None
    positions = np.searchsorted(grid, times)
    return Placement(freq, times, positions, len(grid)) if np.array_equal(grid[positions], times) else None


def infer(times: TimeArray) -> Placement | None:
    """Infer the grid of two or more ordered, distinct times, which may have gaps.

    Of the grids that contain all times, the one with the fewest rows is returned; on a tie, calendar steps are
    preferred to constant ones.
    """
    found = [placement for freq in _candidates(times) if (placement := locate(times, freq))]
    return min(found, key=lambda placement: placement.length, default=None)


def next_on(freq: str, times: TimeArray) -> TimeArray:
    """Move each time that does not lie on the grid of a frequency to the next one that does."""
    import pandas as pd

    offset = pd.tseries.frequencies.to_offset(freq)
    moved = pd.DatetimeIndex([offset.rollforward(time) for time in pd.DatetimeIndex(times)])
    return np.asarray(moved.as_unit("ns").to_numpy())


def snap_to_periods(times: TimeArray, written_unit: str, freq: str) -> TimeArray:
    """Move times that were written as years, quarters or months to the time of that period in ``freq``.

    1949-01 becomes 1949-01-31 if the frequency is month ends; a period without a time on the grid is unchanged.
    """
    months = {"Y": 12, "Q": 3, "M": 1}
    if written_unit not in months or frequency.unit_of(freq) not in months:
        return times
    moved = next_on(freq, times)
    period, before = (one.astype("datetime64[M]").astype(np.int64) // months[written_unit] for one in (moved, times))
    return np.where(period == before, moved, times)


def _weekday(time: np.datetime64) -> int:
    return int(time.astype("datetime64[D]").astype(np.int64) + 3) % 7


def _candidates(times: TimeArray) -> Iterator[str]:
    """Yield candidate frequencies, in the order of preference on a tie."""
    steps = _nanoseconds_between(times[:-1], times[1:])
    if int(steps.min()) >= 28 * _DAY:
        yield from _calendar_candidates(times)
    values, counts = np.unique(steps, return_counts=True)
    weekday = _weekday(times[0])
    yield frequency.alias_of_step(int(values[np.argmax(counts)]), weekday)
    days = times.astype("datetime64[D]")
    skips_weekend = np.busday_count(days[0], days[-1]) < int((days[-1] - days[0]).astype(np.int64))
    if skips_weekend and np.is_busday(days).all():
        yield "B"
    yield frequency.alias_of_step(int(np.gcd.reduce(steps)), weekday)


def _calendar_candidates(times: TimeArray) -> Iterator[str]:
    """Yield starts and ends of as many months, quarters or years as divide all steps, and n-th weekdays."""
    months = times.astype("datetime64[M]").astype(np.int64)
    count = int(np.gcd.reduce(np.diff(months)))
    if not count:
        return
    month = int(months[0]) % 12
    for name in ("MS", "ME", "BMS", "BME"):
        if count % 12 == 0:
            alias, multiple = f"{name.replace('M', 'Y')}-{frequency.MONTHS[month]}", count // 12
        elif count % 3 == 0:
            alias, multiple = frequency.quarter_alias(name.replace("M", "Q"), month), count // 3
        else:
            alias, multiple = name, count
        yield f"{'' if multiple == 1 else multiple}{alias}"
    day = int((times[0].astype("datetime64[D]") - times[0].astype("datetime64[M]")).astype(np.int64))
    if count == 1 and day < 28:
        yield f"WOM-{day // 7 + 1}{frequency.WEEKDAYS[_weekday(times[0])]}"


def _nanoseconds_between(earlier: TimeArray | np.datetime64, later: TimeArray) -> NDArray[np.uint64]:
    # The range of all times exceeds that of a signed difference.
    return np.asarray(later.view(np.uint64) - earlier.view(np.uint64))
