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
from service.forecasting.series.grid import Grid, Placement
from service.forecasting.series.grid_inference import fewest_rows, grids_of_one_day, infer, one_row_a_period
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import RawTime, TimeArray, TimestampFormat
from service.forecasting.series.time_parsing import errors_at, read_times

HOLIDAY_SHARE = 0.1
GROWTH = 2
SPARE_ROWS = 10
# A grid that contains all times is used unless it has so many times the rows of one that contains most of them.
_WORSE = 1.5
_CURE = "resample to a regular step, give freq, or leave the timestamps out so that rows are taken as consecutive"


@dataclass(frozen=True, eq=False)
class PlacedRows:
    """Rows in order on a grid.

    axis: the grid, or None if there is only a single row, which determines no step.
    positions: (row,) the grid row of each row as sent.
    gaps: grid rows that were not sent.
    holidays: rows of days that were not sent and are treated as holidays, not as gaps.
    warnings: warnings for the client.
    """

    axis: TimeAxis | None
    positions: NDArray[np.intp]
    gaps: int = 0
    holidays: int = 0
    warnings: tuple[str, ...] = ()


def axis_from_timestamps(
    raw: Sequence[RawTime], freq: str | None, date_format: str | None, path: Path, known: Grid | None = None
) -> PlacedRows:
    """Place rows (at least one) by their times at ``path``.

    freq: the frequency; None: that of ``known``, the grid of a model, if the times lie on it, else it is inferred.

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
    placement = _placed(times, read.form, aliases, known)
    if placement is None and len(raw) == 1 and freq is None:
        alone = "one timestamp alone gives no frequency: give freq to get timestamps with the forecast"
        return PlacedRows(None, np.zeros(1, np.intp), warnings=(*warnings, alone))
    beside = one_row_a_period(times, read.form, aliases[0] if aliases else None)
    if beside and (placement is None or placement.length > _WORSE * beside.length):
        placement = beside
        warnings = (*warnings, _on_other_days(beside.grid))
    if placement is None:
        raise InvalidTimestamps.at(
            freq_path if freq else path, "; ".join([_why_no_grid(times, read.form, freq), *read.warnings])
        )
    if _is_sparse(placement):
        rows = f"{len(raw)} rows would spread over {placement.length} rows of frequency {placement.grid.freq!r}"
        raise InvalidTimestamps.at(path, "; ".join([f"{rows}: {_cure(times, read.form, freq)}", *read.warnings]))
    if known and placement.grid.freq != known.freq:
        warnings = (*warnings, f"the rows have frequency {placement.grid.freq!r}, those of the model {known.freq!r}")
    index, sorted_positions = _rows_of(placement)
    positions = np.empty(len(order), np.intp)
    positions[order] = sorted_positions
    grid = replace(placement.grid, form=read.form.at_least(unit_of(placement.grid.freq)))
    return PlacedRows(
        TimeAxis(index, grid), positions, len(index) - len(order), placement.length - len(index), warnings
    )


def _placed(times: TimeArray, form: TimestampFormat, aliases: Sequence[str], known: Grid | None) -> Placement | None:
    """Place times on the known grid if they lie on it, else on a given or inferred one."""
    if aliases:
        return _place_on_given(times, form, aliases)
    if known:
        grid = replace(known, form=form)
        placement = grid.locate(grid.snap(times, form.unit))
        if placement and not _is_sparse(placement):
            return placement
    return infer(times, form) if len(times) > 1 else None


def _is_sparse(placement: Placement) -> bool:
    sent = len(placement.times)
    return placement.length > max(GROWTH * sent, sent + SPARE_ROWS)


def _rows_of(placement: Placement) -> tuple[TimeArray, NDArray[np.intp]]:
    """Return the times of the rows, without holidays, and the position of each time that was sent.

    Where days are absent regularly, other days without rows are holidays, unless they are many.
    """
    grid, positions = placement.grid, placement.positions
    rows = grid.around(placement.times[0], placement.length)
    rows[positions] = placement.times
    if grid.freq != "B" and not _is_restricted(grid):
        return rows, positions
    days = np.unique(grid.form.local(rows).astype("datetime64[D]"), return_inverse=True)[1]
    is_holiday = (np.bincount(days[positions], minlength=days[-1] + 1) == 0)[days]
    if np.count_nonzero(is_holiday) > HOLIDAY_SHARE * len(rows):
        return rows, positions
    return rows[~is_holiday], (np.cumsum(~is_holiday) - 1)[positions]


def _on_other_days(grid: Grid) -> str:
    period = {"W": "week", "M": "month", "Q": "quarter", "Y": "year"}[unit_of(grid.freq)]
    day = f", day {grid.calendar.day}" if grid.calendar and grid.calendar.day else ""
    return (
        f"the rows of a {period} lie on different days: forecasts are dated on the most frequent one "
        f"(frequency {grid.freq!r}{day})"
    )


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
        near = read.form.at_least(unit_of(aliases[0])).write(Grid(aliases[0], read.form).next(read.times))[0]
        raise InvalidTimestamps.at(path, f"{start!r} is not on the grid of {freq!r}; the next time that is: {near!r}")
    try:
        index = placement.grid.range(placement.times[0], length)
    except OverflowError:
        raise InvalidTimestamps.at(path, f"{length} rows of {freq!r} from {start!r} exceed the year 2262") from None
    return TimeAxis(index, replace(placement.grid, form=read.form.at_least(unit_of(placement.grid.freq))))


def refuse_duplicates(times: TimeArray, order: NDArray[np.intp], raw: Sequence[RawTime], path: Path) -> None:
    """Raise InvalidTimestamps at the first row with a duplicate time; ``order`` is the one that sorted ``times``."""
    seconds = order[1:][times[1:] == times[:-1]]
    if len(seconds):
        index = int(seconds.min())
        detail = f"{raw[index]!r} occurs twice: send one row for each time, of each item where there are several"
        raise InvalidTimestamps.at((*path, index), detail)


def _place_on_given(times: TimeArray, form: TimestampFormat, aliases: Sequence[str]) -> Placement | None:
    """Place times on the first matching grid of those that an alias may mean."""
    for grid in (Grid(alias, form) for alias in aliases):
        placement = fewest_rows(grid.snap(times, form.unit), [grid])
        if placement:
            return placement
    on_one_day = [grid for grid in grids_of_one_day(times, form) if unit_of(grid.freq) == unit_of(aliases[0])]
    return fewest_rows(times, on_one_day)


def _cure(times: TimeArray, form: TimestampFormat, freq: str | None) -> str:
    found = (infer(times, form) or one_row_a_period(times, form)) if freq else None
    return f"leave freq out, they look like {found.grid.freq!r}" if found and not _is_sparse(found) else _CURE


def _why_no_grid(times: TimeArray, form: TimestampFormat, freq: str | None) -> str:
    steps = np.diff(times).astype("timedelta64[s]")
    found = infer(times, form) if freq and len(times) > 1 else None
    if found:
        return f"the timestamps are not all on the grid of {freq!r}: they look like {found.grid.freq!r}"
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


def place_items(items: Sequence[SentTimes], known: Grid | None = None) -> list[PlacedRows]:
    """Place the rows of all items on grids of one frequency, by default on ``known``, the grid of a model.

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
    settled, placed = _settle_dates(items, known)
    return _one_calendar(settled, _one_frequency(settled, placed, known))


def _settle_dates(items: Sequence[SentTimes], known: Grid | None) -> tuple[Sequence[SentTimes], list[PlacedRows]]:
    """Place each item independently; ambiguous dates are read as in the other items."""
    # The items of a panel usually have the same times.
    seen: dict[object, PlacedRows] = {}
    placed: list[PlacedRows | None] = []
    errors: list[AmbiguousDates] = []
    for item in items:
        key = (tuple(item.timestamps or ()), item.start, item.length, item.freq, item.date_format)
        try:
            placed.append(seen.get(key) or seen.setdefault(key, _place(item, known)))
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
    return settled, [rows or _place(item, known) for item, rows in zip(settled, placed, strict=True)]


def _place(item: SentTimes, known: Grid | None) -> PlacedRows:
    """Place the rows of an item that has times."""
    path = (*item.path, "start" if item.start is not None else "timestamps")
    if item.timestamps is not None:
        if item.start is not None:
            raise InvalidSeries.at(path, "give timestamps or a start, not both")
        if len(item.timestamps) != item.length:
            raise InvalidSeries.at(path, f"{len(item.timestamps)} timestamps for {item.length} rows: send one for each")
        return axis_from_timestamps(item.timestamps, item.freq, item.date_format, path, known)
    if item.start is None or item.freq is None:
        raise InvalidSeries.at(path, "a start also needs a freq, such as D, MS or h")
    axis = axis_from_start(item.start, item.freq, item.length, path, item.date_format)
    return PlacedRows(axis, np.arange(item.length))


def _one_frequency(items: Sequence[SentTimes], placed: list[PlacedRows], known: Grid | None) -> list[PlacedRows]:
    # Without anchors, so that weeks from Monday and from Sunday form one panel.
    names = [rows.axis.freq.partition("-")[0] if rows.axis else None for rows in placed]
    common = [name for name, _ in Counter(names).most_common() if name]
    if len(set(names)) == 1 or not common:
        return placed
    for wanted in common:
        if any(item.freq is not None and name != wanted for item, name in zip(items, names, strict=True)):
            continue
        with suppress(InvalidTimestamps):
            return [
                rows if name == wanted else _place(replace(item, freq=wanted), known)
                for item, rows, name in zip(items, placed, names, strict=True)
            ]
    odd = next(i for i, name in enumerate(names) if name != names[0])
    detail = f"the items have different frequencies ({', '.join(common[:4])}): train one model for each"
    raise InvalidSeries.at(items[odd].path, detail)


def _one_calendar(items: Sequence[SentTimes], placed: list[PlacedRows]) -> list[PlacedRows]:
    """Place items that show no regular absence on the grid of most others if it contains their times.

    An item with few rows does not show on which days it is closed.
    """
    grids = [rows.axis.grid for rows in placed if rows.axis and _is_restricted(rows.axis.grid)]
    if not grids or len(grids) == len(placed):
        return placed
    records = [str(grid.calendar) for grid in grids]
    usual = grids[records.index(Counter(records).most_common(1)[0][0])]
    return [
        rows if rows.axis is None or _is_restricted(rows.axis.grid) else _place(item, usual)
        for item, rows in zip(items, placed, strict=True)
    ]


def _is_restricted(grid: Grid) -> bool:
    return grid.calendar is not None and grid.calendar.restricts
