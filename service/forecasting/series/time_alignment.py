"""Place the rows of a client on a regular time grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.errors import AmbiguousDates, InvalidSeries, InvalidTimestamps, Path
from service.forecasting.series.frequency import aliases_of, unit_of
from service.forecasting.series.time_axis import (
    Placement,
    TimeAxis,
    date_range,
    infer,
    locate,
    next_on,
    snap_to_periods,
)
from service.forecasting.series.time_format import RawTime, TimeArray, TimestampFormat
from service.forecasting.series.time_parsing import errors_at, read_times

HOLIDAY_SHARE = 0.1
GROWTH = 2
SPARE_ROWS = 10
_CURE = "resample to a regular step, give freq, or leave the timestamps out so that rows are taken as consecutive"


@dataclass(frozen=True, eq=False)
class PlacedRows:
    """Rows in order on a grid.

    axis: the grid, or None if there is only a single row, which determines no step.
    positions: (row,) the grid row of each row as sent.
    gaps: grid rows that were not sent.
    holidays: business days that were not sent and are treated as holidays, not as gaps.
    warnings: warnings for the client.
    """

    axis: TimeAxis | None
    positions: NDArray[np.intp]
    gaps: int = 0
    holidays: int = 0
    warnings: tuple[str, ...] = ()


def axis_from_timestamps(raw: Sequence[RawTime], freq: str | None, date_format: str | None, path: Path) -> PlacedRows:
    """Place rows (at least one) by their times at ``path``; ``freq`` is inferred if it is None.

    Raises InvalidTimestamps (unreadable, duplicate, not on a grid, or on one with far more rows than were sent),
    AmbiguousDates, UnknownFrequency, and InvalidOption for ``date_format``.
    """
    freq_path = (*path[:-1], "freq")
    aliases = aliases_of(freq, freq_path) if freq is not None else ()
    read = read_times(raw, date_format, path)
    order = np.argsort(read.times, kind="stable")
    times = read.times[order]
    refuse_duplicates(times, order, raw, path)
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
    absent = placement.length - len(order)
    form = read.form.at_least(unit_of(placement.freq))
    positions = np.empty(len(order), np.intp)
    if placement.freq == "B" and absent <= HOLIDAY_SHARE * placement.length:
        positions[order] = np.arange(len(order))
        return PlacedRows(TimeAxis(placement.times, "B", form), positions, 0, absent, warnings)
    positions[order] = placement.positions
    index = date_range(placement.freq, placement.times[0], placement.length)
    return PlacedRows(TimeAxis(index, placement.freq, form), positions, absent, 0, warnings)


def axis_from_start(start: RawTime, freq: str, length: int, path: Path, date_format: str | None = None) -> TimeAxis:
    """Create the axis of ``length`` rows from a start at ``path``.

    Raises InvalidTimestamps if the start cannot be parsed, is not on the grid of ``freq``, or the rows exceed the year
    2262; AmbiguousDates, UnknownFrequency and InvalidOption as `axis_from_timestamps` does.
    """
    aliases = aliases_of(freq, (*path[:-1], "freq"))
    with errors_at(path):
        read = read_times([start], date_format, path)
    placement = _place_on_given(read.times, read.form, aliases)
    if placement is None:
        near = read.form.at_least(unit_of(aliases[0])).write(next_on(aliases[0], read.times))[0]
        raise InvalidTimestamps.at(path, f"{start!r} is not on the grid of {freq!r}; the next time that is: {near!r}")
    try:
        index = date_range(placement.freq, placement.times[0], length)
    except OverflowError:
        raise InvalidTimestamps.at(path, f"{length} rows of {freq!r} from {start!r} exceed the year 2262") from None
    return TimeAxis(index, placement.freq, read.form.at_least(unit_of(placement.freq)))


def refuse_duplicates(times: TimeArray, order: NDArray[np.intp], raw: Sequence[RawTime], path: Path) -> None:
    """Raise InvalidTimestamps at the first row with a duplicate time; ``order`` is the one that sorted ``times``."""
    seconds = order[1:][times[1:] == times[:-1]]
    if len(seconds):
        index = int(seconds.min())
        detail = f"{raw[index]!r} occurs twice: send one row for each time, of each item where there are several"
        raise InvalidTimestamps.at((*path, index), detail)


def _place_on_given(times: TimeArray, form: TimestampFormat, aliases: Sequence[str]) -> Placement | None:
    """Place times on the first matching grid of those that an alias may mean."""
    tried = (locate(snap_to_periods(times, form.unit, alias), alias) for alias in aliases)
    return next((placement for placement in tried if placement), None)


def _why_no_grid(times: TimeArray, freq: str | None) -> str:
    steps = np.diff(times).astype("timedelta64[s]")
    found = infer(times) if freq and len(times) > 1 else None
    if found:
        return f"the timestamps are not all on the grid of {freq!r}: they look like {found.freq!r}"
    span = f" (steps run from {steps.min().item()} to {steps.max().item()})" if len(steps) else ""
    grid = f"are not all on the grid of {freq!r}" if freq else "fit no regular frequency"
    return f"the timestamps {grid}{span}: {_CURE}"


@dataclass(frozen=True)
class SentTimes:
    """The times of one item as sent.

    timestamps: one time for each row; start: the first time instead, with ``freq``; neither: rows only have an order.
    path: the location of the item in the request.
    """

    length: int
    timestamps: Sequence[RawTime] | None
    start: RawTime | None
    freq: str | None
    date_format: str | None
    path: Path


def place_items(items: Sequence[SentTimes]) -> list[PlacedRows]:
    """Place the rows of all items on grids of one frequency.

    If the dates of one item are unambiguously day-first or month-first, items with ambiguous dates are read the same
    way; items that are too short to determine a frequency take that of most items. Raises the errors of
    `axis_from_timestamps`, and InvalidSeries if the frequencies differ or only some items have times.
    """
    untimed = [item for item in items if item.timestamps is None and item.start is None]
    if len(untimed) == len(items):
        return [PlacedRows(None, np.arange(item.length)) for item in items]
    if untimed:
        detail = "this item has no times while others have: give all of them timestamps or a start, or none"
        raise InvalidSeries.at(untimed[0].path, detail)
    return _one_frequency(*_settle_dates(items))


def _settle_dates(items: Sequence[SentTimes]) -> tuple[Sequence[SentTimes], list[PlacedRows]]:
    """Place each item independently; ambiguous dates are read as in the other items."""
    # The items of a panel usually have the same times.
    seen: dict[object, PlacedRows] = {}
    placed: list[PlacedRows | None] = []
    errors: list[AmbiguousDates] = []
    for item in items:
        key = (tuple(item.timestamps or ()), item.start, item.length, item.freq, item.date_format)
        try:
            placed.append(seen.get(key) or seen.setdefault(key, _place(item)))
        except AmbiguousDates as error:
            errors.append(error)
            placed.append(None)
    if not errors:
        return items, [rows for rows in placed if rows]
    forms = (rows.axis.form for rows in placed if rows and rows.axis)
    settling = [form for form in forms if form.pattern[:2] in ("%d", "%m") and "%d" in form.pattern]
    patterns = {f"{form.pattern}{'%z' if form.offset else ''}" for form in settling}
    if len(patterns) != 1:
        raise errors[0]
    pattern = patterns.pop()
    settled = [item if rows else replace(item, date_format=pattern) for item, rows in zip(items, placed, strict=True)]
    return settled, [rows or _place(item) for item, rows in zip(settled, placed, strict=True)]


def _place(item: SentTimes) -> PlacedRows:
    """Place the rows of an item that has times."""
    path = (*item.path, "start" if item.start is not None else "timestamps")
    if item.timestamps is not None:
        if item.start is not None:
            raise InvalidSeries.at(path, "give timestamps or a start, not both")
        if len(item.timestamps) != item.length:
            raise InvalidSeries.at(path, f"{len(item.timestamps)} timestamps for {item.length} rows: send one for each")
        return axis_from_timestamps(item.timestamps, item.freq, item.date_format, path)
    if item.start is None or item.freq is None:
        raise InvalidSeries.at(path, "a start also needs a freq, such as D, MS or h")
    axis = axis_from_start(item.start, item.freq, item.length, path, item.date_format)
    return PlacedRows(axis, np.arange(item.length))


def _one_frequency(items: Sequence[SentTimes], placed: list[PlacedRows]) -> list[PlacedRows]:
    # Without anchors, so that weeks from Monday and from Sunday form one panel.
    names = [rows.axis.freq.partition("-")[0] if rows.axis else None for rows in placed]
    known = [name for name, _ in Counter(names).most_common() if name]
    if len(set(names)) == 1 or not known:
        return placed
    for wanted in known:
        if any(item.freq is not None and name != wanted for item, name in zip(items, names, strict=True)):
            continue
        with suppress(InvalidTimestamps):
            return [
                rows if name == wanted else _place(replace(item, freq=wanted))
                for item, rows, name in zip(items, placed, names, strict=True)
            ]
    odd = next(i for i, name in enumerate(names) if name != names[0])
    detail = f"the items have different frequencies ({', '.join(known[:4])}): train one model for each"
    raise InvalidSeries.at(items[odd].path, detail)
