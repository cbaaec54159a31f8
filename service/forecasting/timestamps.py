"""From the times that a client sent to the grid of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidTimestamps, Path
from service.forecasting.frequency import aliases_of, unit_of
from service.forecasting.time_axis import TimeAxis
from service.forecasting.time_column import RawTime
from service.forecasting.time_form import TimeArray, TimeForm
from service.forecasting.time_grid import Placement, infer, next_on, place, snap_to_periods, walk
from service.forecasting.time_reading import read_time, read_times

__all__ = ["PlacedRows", "TimeAxis", "TimeForm", "axis_from_start", "axis_from_timestamps", "refuse_doubled"]

HOLIDAY_SHARE = 0.1
GROWTH = 2
SPARE_ROWS = 10
_CURE = "resample to a regular step, give freq, or leave the timestamps out so that rows are taken as consecutive"


@dataclass(frozen=True, eq=False)
class PlacedRows:
    """Rows put in order on a grid.

    axis: the grid, or None where a single row gives no step.
    positions: (row,) the grid row of each row as sent.
    gaps: grid rows that were not sent.
    holidays: business days that were not sent and are taken as days off, not as gaps.
    warnings: what the client should be told.
    """

    axis: TimeAxis | None
    positions: NDArray[np.intp]
    gaps: int = 0
    holidays: int = 0
    warnings: tuple[str, ...] = ()


def axis_from_timestamps(raw: Sequence[RawTime], freq: str | None, date_format: str | None, path: Path) -> PlacedRows:
    """Place rows (at least one) by their times, which stand at ``path``; ``freq`` is found where it is None.

    Raises InvalidTimestamps (unreadable, doubled, on no grid, or on one with far more rows than were sent),
    AmbiguousDates, UnknownFrequency, and InvalidOption for ``date_format``.
    """
    freq_path = (*path[:-1], "freq")
    aliases = aliases_of(freq, freq_path) if freq is not None else ()
    read = read_times(raw, date_format, path)
    order = np.argsort(read.times, kind="stable")
    times = read.times[order]
    refuse_doubled(times, order, raw, path)
    warnings = read.warnings
    if np.any(order[1:] < order[:-1]):
        warnings = (*warnings, "the timestamps were not in order: the rows were sorted by time")
    if len(raw) == 1 and freq is None:
        alone = "one timestamp alone gives no frequency: give freq to get timestamps with the forecast"
        return PlacedRows(None, np.zeros(1, np.intp), warnings=(*warnings, alone))
    placement = _place_on_given(times, read.form, aliases) if aliases else infer(times)
    if placement is None:
        raise InvalidTimestamps.at(freq_path if freq else path, "; ".join([_why_no_grid(times, freq), *read.warnings]))
    if placement.length > max(GROWTH * len(raw), len(raw) + SPARE_ROWS):
        detail = f"{len(raw)} rows would spread over {placement.length} rows of frequency {placement.freq!r}: {_CURE}"
        raise InvalidTimestamps.at(path, "; ".join([detail, *read.warnings]))
    return _on_grid(order, placement, read.form, warnings)


def axis_from_start(start: RawTime, freq: str, length: int, path: Path, date_format: str | None = None) -> TimeAxis:
    """Make the axis of ``length`` rows from a start that stands at ``path``.

    Raises InvalidTimestamps where the start can't be read, is not on the grid of ``freq``, or the rows go beyond
    the year 2262; AmbiguousDates, UnknownFrequency and InvalidOption as `axis_from_timestamps` does.
    """
    aliases = aliases_of(freq, (*path[:-1], "freq"))
    read = read_time(start, date_format, path)
    placement = _place_on_given(read.times, read.form, aliases)
    if placement is None:
        near = read.form.at_least(unit_of(aliases[0])).write(next_on(aliases[0], read.times))[0]
        raise InvalidTimestamps.at(path, f"{start!r} is not on the grid of {freq!r}; the next time that is: {near!r}")
    try:
        index = walk(placement.freq, placement.times[0], length)
    except OverflowError:
        detail = f"{length} rows of {freq!r} from {start!r} on go beyond the year 2262"
        raise InvalidTimestamps.at(path, detail) from None
    return TimeAxis(index, placement.freq, read.form.at_least(unit_of(placement.freq)))


def refuse_doubled(times: TimeArray, order: NDArray[np.intp], raw: Sequence[RawTime], path: Path) -> None:
    """Raise InvalidTimestamps at the first row whose time another has; ``order`` is the one that sorted ``times``."""
    seconds = order[1:][times[1:] == times[:-1]]
    if len(seconds):
        index = int(seconds.min())
        detail = f"{raw[index]!r} stands there twice: send one row for each time, of each item where there are several"
        raise InvalidTimestamps.at((*path, index), detail)


def _place_on_given(times: TimeArray, form: TimeForm, aliases: Sequence[str]) -> Placement | None:
    """Place times on the first of the grids that an alias may mean."""
    tried = (place(snap_to_periods(times, form.unit, alias), alias) for alias in aliases)
    return next((placement for placement in tried if placement), None)


def _why_no_grid(times: TimeArray, freq: str | None) -> str:
    steps = np.diff(times).astype("timedelta64[s]")
    found = infer(times) if freq and len(times) > 1 else None
    if found:
        return f"the timestamps are not all on the grid of {freq!r}: they look like {found.freq!r}"
    span = f" (steps run from {steps.min().item()} to {steps.max().item()})" if len(steps) else ""
    grid = f"are not all on the grid of {freq!r}" if freq else "fit no regular frequency"
    return f"the timestamps {grid}{span}: {_CURE}"


def _on_grid(order: NDArray[np.intp], placement: Placement, form: TimeForm, warnings: tuple[str, ...]) -> PlacedRows:
    absent = placement.length - len(order)
    form = form.at_least(unit_of(placement.freq))
    positions = np.empty(len(order), np.intp)
    if placement.freq == "B" and absent <= HOLIDAY_SHARE * placement.length:
        positions[order] = np.arange(len(order))
        return PlacedRows(TimeAxis(placement.times, "B", form), positions, 0, absent, warnings)
    positions[order] = placement.positions
    index = walk(placement.freq, placement.times[0], placement.length)
    return PlacedRows(TimeAxis(index, placement.freq, form), positions, absent, 0, warnings)
