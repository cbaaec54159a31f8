"""Place further times beside those of an axis: after its end, on its rows, or in gaps between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.errors import InvalidTimestamps, Path
from service.forecasting.series import frequency
from service.forecasting.series.grid import Grid
from service.forecasting.series.row_placement import rows_of
from service.forecasting.series.series import IntArray
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import TimeArray

_PERIODS = ("Y", "Q", "M")
# Of rows that are missing, where the series has fewer rows; else as many as it has.
_LONGEST_GAP = 1000
_WEEK_REACH = np.timedelta64(3, "D")


class MergedTimes(NamedTuple):
    """An axis with further rows.

    kept, added: the rows of the new axis that the rows of the old one, and the added times, have become.
    """

    axis: TimeAxis
    kept: IntArray
    added: IntArray


def merge_times(axis: TimeAxis, times: TimeArray, path: Path) -> MergedTimes:
    """Place ascending ``times`` (time,) on the grid of an axis, whose last row may lie before or after them.

    Rows of the grid between the times become rows, too; holidays are found anew where the calendar has any.
    Raises InvalidTimestamps at ``path`` for times before the first row, beside the grid or
    twice in a row's period, and for times so late that the axis would have too many rows.
    """
    if times[0] < axis.index[0]:
        detail = f"{_written(axis, times[0])!r} is before {axis.written()[0]!r}, the first row that the model keeps"
        raise InvalidTimestamps.at(path, f"{detail}: send later rows only")
    ahead = _count_until(axis, times[-1])
    if ahead - len(times) > max(len(axis), _LONGEST_GAP):
        detail = f"{_written(axis, times[-1])!r} lies about {ahead} rows after the end of the model's series, which has"
        raise InvalidTimestamps.at(path, f"{detail} {len(axis)}: correct the time, or train a new model")
    if axis.grid.is_restricted or axis.freq == "B":
        return _merge_on_calendar(axis, times, path)
    index = np.concatenate([axis.index, _rows_until(axis, times[-1], ahead)])
    added = _rows_at(axis.grid, index, times)
    if added is None:
        raise InvalidTimestamps.at(path, _beside(axis, index, times))
    if len(np.unique(added)) < len(added):
        raise InvalidTimestamps.at(path, f"two of the times lie in one row of the model's series ({axis.freq})")
    is_late = added >= len(axis)
    index[added[is_late]] = times[is_late]  # as sent, where they lie on another day of their period
    return MergedTimes(TimeAxis(index, axis.grid), np.arange(len(axis)), added)


def _merge_on_calendar(axis: TimeAxis, times: TimeArray, path: Path) -> MergedTimes:
    union = np.union1d(axis.index, times)
    placement = axis.grid.locate(union)
    if placement is None:
        raise InvalidTimestamps.at(path, _beside(axis, axis.index, times))
    placed = rows_of(placement)
    assert placed.axis is not None  # noqa: S101 - rows on a grid have an axis
    kept, added = (placed.positions[np.searchsorted(union, one)] for one in (axis.index, times))
    return MergedTimes(TimeAxis(placed.axis.index, axis.grid), kept, added)


def _count_until(axis: TimeAxis, last: np.datetime64) -> int:
    """Return about the number of rows after the end of an axis up to a time, 0 if there are none.

    Without a calendar it is at least their number.
    """
    if last <= axis.index[-1]:
        return 0
    step = frequency.DAY if axis.freq == "B" else frequency.step_of(axis.freq)
    # Months have 28 to 31 days, and their fourth Fridays are 28 to 35 days apart.
    shortest = np.timedelta64(step, "ns") if step else 3 * (axis.future(1).index[0] - axis.index[-1]) // 4
    count = (last - axis.index[-1]) / shortest
    if axis.grid.is_restricted or axis.freq == "B":
        # As many as there were in the same time.
        count *= len(axis) / ((axis.index[-1] - axis.index[0]) / shortest + 1)
    return int(count) + 2


def _rows_until(axis: TimeAxis, last: np.datetime64, count: int) -> TimeArray:
    """Return the rows after the end of an axis, up to the one of the time ``last``; count: as `_count_until` has it."""
    if not count:
        return axis.index[:0]
    rows = axis.future(count).index
    # The time may lie on another day of the last row's own month, or beside the grid.
    found = _rows_at(axis.grid, np.concatenate([axis.index[-1:], rows]), np.array([last]))
    return rows[: int(np.searchsorted(rows, last)) + 1] if found is None else rows[: int(found[0])]


def _rows_at(grid: Grid, index: TimeArray, times: TimeArray) -> IntArray | None:
    """Return the rows (time,) of ascending times in an index; None where one has none.

    Months, quarters, years and weeks have one row each, which may lie on another day.
    """
    rows = np.searchsorted(index, times)
    at = np.minimum(rows, len(index) - 1)
    if (index[at] == times).all():
        return at
    unit = frequency.unit_of(grid.freq)
    if unit in _PERIODS:
        months = grid.steps_of(index).astype("datetime64[M]")
        sought = grid.steps_of(times).astype("datetime64[M]")
        at = np.minimum(np.searchsorted(months, sought), len(index) - 1)
        return at if (months[at] == sought).all() else None
    if unit == "W":
        before = np.maximum(at - 1, 0)
        at = np.where(np.abs(index[before] - times) < np.abs(index[at] - times), before, at)
        return at if (np.abs(index[at] - times) <= _WEEK_REACH).all() else None
    return None


def _beside(axis: TimeAxis, index: TimeArray, times: TimeArray) -> str:
    first = times[~np.isin(times, index)][0]
    later = index[np.searchsorted(index, first) :]
    near = f"; the next time that is: {_written(axis, later[0])!r}" if len(later) else ""
    return f"{_written(axis, first)!r} is not a time of the model's series ({axis.freq}){near}"


def _written(axis: TimeAxis, time: np.datetime64) -> str | int:
    """Return a time as the client writes those of the axis, or more finely if it has parts that those have not."""
    form = axis.form if axis.form.is_absolute or axis.form.is_epoch else axis.form.at_least(_unit_of(time))
    return form.write(np.array([time]))[0]


def _unit_of(time: np.datetime64) -> str:
    units = ("D", "m", "s")
    return next((unit for unit in units if time == time.astype(f"datetime64[{unit}]")), "s")
