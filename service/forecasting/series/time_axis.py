"""The times of the rows of a series."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from service.errors import AmbiguousDates, HorizonTooLong, InvalidTimestamps, Path
from service.forecasting.series import frequency
from service.forecasting.series.calendar import Calendar
from service.forecasting.series.grid import Grid
from service.forecasting.series.grid_inference import infer
from service.forecasting.series.resampling import How
from service.forecasting.series.time_format import RawTime, ReadTimes, TimeArray, TimestampFormat, minutes_of
from service.forecasting.series.time_parsing import errors_at, read_times

_LONGEST = 100_000_000
_NO_RECORD = "not the record of a time axis"


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """One time per row, in order.

    index: (time,) datetime64[ns], UTC if the client's times had an offset. Holidays are absent; all other times of the
        grid are present, as the client sent them if they lie beside it.
    grid: the grid on which the rows lie, which has the client's format.
    """

    index: TimeArray
    grid: Grid

    @property
    def freq(self) -> str:
        """Current pandas alias of the step from row to row."""
        return self.grid.freq

    @property
    def form(self) -> TimestampFormat:
        """The format in which the client writes times."""
        return self.grid.form

    @property
    def calendar(self) -> Calendar | None:
        """Which times of the frequency have rows; None: all."""
        return self.grid.calendar

    def __len__(self) -> int:
        return len(self.index)

    def slice(self, start: int, stop: int) -> TimeAxis:
        """Return the rows from ``start`` up to ``stop``."""
        return TimeAxis(self.index[start:stop], self.grid)

    def future(self, steps: int) -> TimeAxis:
        """Return the ``steps`` times after the last one. Raises HorizonTooLong beyond the year 2262."""
        try:
            times = self.grid.after(self.index[-1], steps)
        except OverflowError:
            detail = f"{steps} steps of {self.freq} after {self.written()[-1]} go beyond the year 2262: ask for fewer"
            raise HorizonTooLong.at(("horizon",), detail) from None
        return TimeAxis(times, self.grid)

    def written(self) -> list[str | int]:
        """Return the times in the client's format."""
        return self.form.write(self.index)

    def position(self, timestamp: RawTime, path: Path, side: Literal["left", "right"] = "left") -> int:
        """Return the first row at or after a time in any accepted format, or the length if all rows are earlier.

        side: "right" returns the first row after the time.
        A time without an offset is assumed to have the offset of the series. Raises InvalidTimestamps at ``path``.
        """
        with errors_at(path):
            read = self._read_column([timestamp], None, path)
        time = read.times[0]
        if read.form.is_absolute and not self.form.is_absolute:
            raise InvalidTimestamps.at(path, f"{timestamp!r} has an offset from UTC, the series has none: leave it out")
        if not read.form.is_absolute:
            time = self.form.absolute(read.times)[0]
        return int(np.searchsorted(self.index, time, side))

    def read(self, timestamps: Sequence[RawTime], date_format: str | None, path: Path) -> TimeArray:
        """Parse times at ``path`` in any accepted format, to the values that they have in ``index``.

        Raises InvalidTimestamps, also if only these or only the series' own times have an offset from UTC;
        AmbiguousDates, and InvalidOption for ``date_format``.
        """
        read = self._read_column(timestamps, date_format, path)
        if len(timestamps) and read.form.is_absolute != self.form.is_absolute:
            own = self.slice(len(self) - 1, len(self)).written()[0]
            kind = "an offset from UTC" if read.form.is_absolute else "no offset from UTC"
            detail = f"{timestamps[0]!r} has {kind}, unlike the times of the series: write it as they are, as {own!r}"
            raise InvalidTimestamps.at((*path, 0), detail)
        return self.grid.snap(read.times, read.form.unit)

    def _read_column(self, timestamps: Sequence[RawTime], date_format: str | None, path: Path) -> ReadTimes:
        if date_format is not None:
            return read_times(timestamps, date_format, path, self.form.zone)
        # Years and months have no offset; with %z, the "-01" of 2020-06-01 would be read as an offset and not as a day.
        suffixes = ("",) if self.form.unit in ("Y", "Q", "M", "W") else ("", "%z")
        faults = []
        for pattern in () if self.form.is_epoch else [self.form.pattern + suffix for suffix in suffixes]:
            try:
                return read_times(timestamps, pattern, path, self.form.zone)
            except InvalidTimestamps as error:
                faults.append(error)
        try:
            return read_times(timestamps, None, path, self.form.zone)
        except AmbiguousDates as error:
            # If the series determines which part is the day, the error is the row that does not match its format.
            raise faults[0] if self.form.pattern[:2] in ("%d", "%m") else error from None

    def to_record(self) -> dict[str, Any]:
        """Return the axis as plain JSON values: start, frequency and length if it is regular, else every time."""
        calendar = self.calendar and self.calendar.to_record()
        record: dict[str, Any] = {"freq": self.freq, "form": self.form.to_record(), "calendar": calendar}
        record |= {"how": self.grid.how, "by_clock": self.grid.by_clock}
        counts = self.index.astype(np.int64).tolist()
        with suppress(IndexError, OverflowError):
            if np.array_equal(self.grid.range(self.index[0], len(self)), self.index):
                return {**record, "start": counts[0], "length": len(self)}
        return {**record, "index": counts}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TimeAxis:
        """Restore an axis from `to_record`; raises ValueError for an invalid record."""
        try:
            freq, form = record["freq"], TimestampFormat.from_record(record["form"])
            if not isinstance(freq, str) or not frequency.is_current(freq):
                raise ValueError(_NO_RECORD)
            calendar = record.get("calendar")
            how = record.get("how")
            if how not in (None, *get_args(How)):
                raise ValueError(_NO_RECORD)
            by_clock = record.get("by_clock", False)
            if type(by_clock) is not bool or (by_clock and frequency.unit_of(freq) in ("Y", "Q", "M", "W", "D")):
                raise ValueError(_NO_RECORD)
            grid = Grid(freq, form, Calendar.from_record(calendar) if calendar is not None else None, how, by_clock)
            if "calendar" not in record:
                grid = replace(grid, form=replace(form, offset=None))  # written before days were those of local time
            if "index" in record:
                index = np.array(record["index"], dtype=np.int64).astype("datetime64[ns]")
            else:
                start, length = record["start"], record["length"]
                if type(start) is not int or type(length) is not int or not 0 < length <= _LONGEST:
                    raise ValueError(_NO_RECORD)
                index = grid.range(np.datetime64(start, "ns"), length)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(_NO_RECORD) from error
        if index.ndim != 1 or np.isnat(index).any() or np.any(np.diff(index) <= np.timedelta64(0, "ns")):
            raise ValueError("the times of a time axis are not in order")
        return cls(index, grid if "calendar" in record else _in_local_time(index, freq, form))


def _in_local_time(index: TimeArray, freq: str, form: TimestampFormat) -> Grid:
    """Return the grid of a record from before days were those of local time: month ends in UTC may be starts."""
    grid = Grid(freq, form)
    if not minutes_of(form.offset) or frequency.step_of(freq) is not None or len(index) < 2:
        return grid
    found = infer(index, form)
    return found.grid if found and found.length == len(index) else grid
