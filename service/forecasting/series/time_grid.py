"""Regular time grids: generate one, place times on one, infer the one on which times lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.frequency import MONTHS, WEEKDAYS, alias_of_step, quarter_alias, step_of, unit_of
from service.forecasting.series.time_format import TimeArray

_DAY = 86_400 * 10**9
_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Placement:
    """The positions of ordered times on the grid of a frequency that starts at the first of them.

    times: (time,) datetime64[ns]; positions: (time,) the row of each; length: rows from the first to the last.
    """

    freq: str
    times: TimeArray
    positions: NDArray[np.intp]
    length: int


def walk(freq: str, start: np.datetime64, length: int) -> TimeArray:
    """Return ``length`` times from ``start`` on, which must lie on the grid.

    Raises OverflowError outside the times that nanoseconds can represent (about year 2262).
    """
    step = step_of(freq)
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


def place(times: TimeArray, freq: str) -> Placement | None:
    """Place ordered times on the grid of a frequency; return None if one of them does not lie on it."""
    step = step_of(freq)
    if step is not None:
        since = _nanoseconds_between(times[0], times)
        if np.any(since % step) or not _on_weekday(times[0], freq):
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
    found = [placement for freq in _candidates(times) if (placement := place(times, freq))]
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
    if written_unit not in months or unit_of(freq) not in months:
        return times
    moved = next_on(freq, times)
    period, before = (one.astype("datetime64[M]").astype(np.int64) // months[written_unit] for one in (moved, times))
    return np.where(period == before, moved, times)


def _weekday(time: np.datetime64) -> int:
    return int(time.astype("datetime64[D]").astype(np.int64) + 3) % 7


def _on_weekday(time: np.datetime64, freq: str) -> bool:
    name, _, anchor = freq.partition("-")
    return not name.endswith("W") or anchor == WEEKDAYS[_weekday(time)]


def _candidates(times: TimeArray) -> Iterator[str]:
    """Yield candidate frequencies, in the order of preference on a tie."""
    steps = _nanoseconds_between(times[:-1], times[1:])
    if int(steps.min()) >= 28 * _DAY:
        yield from _calendar_candidates(times)
    values, counts = np.unique(steps, return_counts=True)
    weekday = _weekday(times[0])
    yield alias_of_step(int(values[np.argmax(counts)]), weekday)
    days = times.astype("datetime64[D]")
    skips_weekend = np.busday_count(days[0], days[-1]) < int((days[-1] - days[0]).astype(np.int64))
    if skips_weekend and np.is_busday(days).all():
        yield "B"
    yield alias_of_step(int(np.gcd.reduce(steps)), weekday)


def _calendar_candidates(times: TimeArray) -> Iterator[str]:
    """Yield starts and ends of as many months, quarters or years as divide all steps, and n-th weekdays."""
    months = times.astype("datetime64[M]").astype(np.int64)
    count = int(np.gcd.reduce(np.diff(months)))
    if not count:
        return
    month = int(months[0]) % 12
    for name in ("MS", "ME", "BMS", "BME"):
        if count % 12 == 0:
            alias, multiple = f"{name.replace('M', 'Y')}-{MONTHS[month]}", count // 12
        elif count % 3 == 0:
            alias, multiple = quarter_alias(name.replace("M", "Q"), month), count // 3
        else:
            alias, multiple = name, count
        yield f"{'' if multiple == 1 else multiple}{alias}"
    day = int((times[0].astype("datetime64[D]") - times[0].astype("datetime64[M]")).astype(np.int64))
    if count == 1 and day < 28:
        yield f"WOM-{day // 7 + 1}{WEEKDAYS[_weekday(times[0])]}"


def _nanoseconds_between(earlier: TimeArray | np.datetime64, later: TimeArray) -> NDArray[np.uint64]:
    # The range of all times exceeds that of a signed difference.
    return np.asarray(later.view(np.uint64) - earlier.view(np.uint64))
