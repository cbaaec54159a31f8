"""The times of the rows of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.errors import AmbiguousDates, HorizonTooLong, InvalidTimestamps, Path
from service.forecasting.series.date_parsing import ReadTimes
from service.forecasting.series.frequency import is_current
from service.forecasting.series.time_format import RawTime, TimeArray, TimeForm, minutes_of
from service.forecasting.series.time_grid import snap_to_periods, walk
from service.forecasting.series.time_parsing import read_time, read_times

_LONGEST = 100_000_000


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
    form: TimeForm

    def __len__(self) -> int:
        return len(self.index)

    def slice(self, start: int, stop: int) -> TimeAxis:
        """Return the rows from ``start`` up to ``stop``."""
        return TimeAxis(self.index[start:stop], self.freq, self.form)

    def future(self, steps: int) -> TimeAxis:
        """Return the ``steps`` times after the last one. Raises HorizonTooLong beyond the year 2262."""
        try:
            times = walk(self.freq, self.index[-1], steps + 1)[1:]
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
        read = self._read_like_own(timestamp, path)
        time = read.times[0]
        if read.form.offset is not None and self.form.offset is None and not self.form.is_epoch:
            detail = f"{timestamp!r} has an offset from UTC, the series' own times have none: leave it out"
            raise InvalidTimestamps.at(path, detail)
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
        faults = []
        for pattern in self._own_patterns:
            try:
                return read_times(timestamps, pattern, path)
            except InvalidTimestamps as error:
                faults.append(error)
        try:
            return read_times(timestamps, None, path)
        except AmbiguousDates as error:
            # If the series determines which part is the day, the error is the row that does not match its format.
            raise faults[0] if self.form.pattern[:2] in ("%d", "%m") else error from None

    def _read_like_own(self, timestamp: RawTime, path: Path) -> ReadTimes:
        """Parse a time in the series' own format if it matches (then 11-10-2021 is unambiguous), else in any."""
        for pattern in self._own_patterns if isinstance(timestamp, str) else ():
            try:
                return read_time(timestamp, pattern, path)
            except InvalidTimestamps:
                continue
        return read_time(timestamp, None, path)

    @property
    def _own_patterns(self) -> tuple[str, ...]:
        if self.form.is_epoch:
            return ()
        # Years and months have no offset; with %z, the "-01" of 2020-06-01 would be read as an offset and not as a day.
        suffixes = ("",) if self.form.unit in ("Y", "Q", "M", "W") else ("", "%z")
        return tuple(self.form.pattern + suffix for suffix in suffixes)

    def to_record(self) -> dict[str, Any]:
        """Return the axis as plain JSON values: start, frequency and length if it is regular, else every time."""
        record: dict[str, Any] = {"freq": self.freq, "form": self.form.to_record()}
        try:
            regular = np.array_equal(walk(self.freq, self.index[0], len(self)), self.index)
        except (IndexError, OverflowError):
            regular = False
        counts = self.index.astype(np.int64)
        if regular:
            return {**record, "start": int(counts[0]), "length": len(self)}
        return {**record, "index": counts.tolist()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TimeAxis:
        """Restore an axis from `to_record`; raises ValueError for an invalid record."""
        try:
            freq, form = record["freq"], TimeForm.from_record(record["form"])
            if not isinstance(freq, str) or not is_current(freq):
                raise ValueError("the record of a time axis has no known frequency")
            if "index" in record:
                index = np.array(record["index"], dtype=np.int64).astype("datetime64[ns]")
            else:
                index = _walk_record(freq, record["start"], record["length"])
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError("not the record of a time axis") from error
        if index.ndim != 1 or np.isnat(index).any() or np.any(np.diff(index) <= np.timedelta64(0, "ns")):
            raise ValueError("the record of a time axis is not in order")
        return cls(index, freq, form)


def _is_absolute(form: TimeForm) -> bool:
    """Return whether times are absolute, rather than local times of an unknown place."""
    return form.offset is not None or form.is_epoch


def _walk_record(freq: str, start: Any, length: Any) -> TimeArray:
    if type(start) is not int or type(length) is not int or not 0 < length <= _LONGEST:
        raise ValueError("the record of a time axis has no start or length")
    return walk(freq, np.datetime64(start, "ns"), length)
