"""Place the rows of one series on a regular time grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.errors import AmbiguousDates, InvalidTimestamps, Path, ServiceError
from service.forecasting.series.frequency import aliases_of, unit_of
from service.forecasting.series.grid import Grid, Placement
from service.forecasting.series.grid_inference import (
    fewest_rows,
    grids_of_alias,
    grids_of_one_day,
    infer,
    one_row_a_period,
)
from service.forecasting.series.resampling import Resample, bucket_rows, proposal, resampling_alias
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import RawTime, ReadTimes, TimeArray, TimestampFormat
from service.forecasting.series.time_parsing import errors_at, in_zone, read_times

_HOLIDAY_SHARE = 0.1
_GROWTH = 2
_SPARE_ROWS = 10
# A grid that contains all times is used unless it has so many times the rows of one that contains most of them.
_WORSE = 1.5
_CONSECUTIVE = "or leave the timestamps out so that rows are taken as consecutive"


@dataclass(frozen=True)
class Reading:
    """How rows that are sent become rows of a series.

    time_zone: IANA name of the zone of times without an offset from UTC, and of days. resample: the step to which rows
    are aggregated. known: the grid of a model, on which rows are placed if their times lie on it. continues: they are
    not placed at all, as they continue the rows of a model; see `time_merging`.
    """

    time_zone: str | None = None
    resample: Resample | None = None
    known: Grid | None = None
    continues: bool = False

    @property
    def needs_times(self) -> bool:
        """Whether rows without times are refused."""
        return self.resample is not None or (self.time_zone is not None and self.known is None)

    @classmethod
    def of_model(cls, grid: Grid | None) -> Reading:
        """Return how the rows of a model were read; ``grid`` is theirs, None: they have no times."""
        if grid is None:
            return cls()
        return cls(grid.form.zone, Resample(freq=grid.freq, how=grid.how) if grid.how else None, grid)


AS_SENT = Reading()
"""Nothing is known of the rows but what was sent with them."""


@dataclass(frozen=True, eq=False)
class PlacedRows:
    """Rows in order on a grid.

    axis: the grid, or None if there is only a single row, which determines no step.
    positions: (row,) the grid row of each row as sent; -1: it is left out of an aggregation.
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
    raw: Sequence[RawTime],
    freq: str | None,
    date_format: str | None,
    path: Path,
    reading: Reading = AS_SENT,
    read: ReadTimes | None = None,
) -> PlacedRows:
    """Place rows (at least one) by their times at ``path``.

    freq: the frequency; None: that of the model, if the times lie on its grid, else it is inferred. read: the times if
    they are parsed already, without the time zone.

    Raises InvalidTimestamps (unreadable, duplicate, not on a grid, or on one with far more rows than were sent),
    AmbiguousDates, UnknownFrequency, and InvalidOption for ``date_format`` and ``resample``.
    """
    freq_path = (*path[:-1], "freq")
    aliases = aliases_of(freq, freq_path) if freq is not None else ()
    read = read or _read(raw, date_format, path, reading)
    read = read if reading.time_zone is None else in_zone(read, reading.time_zone, raw, path)
    order = np.argsort(read.times, kind="stable")
    if reading.resample is None:
        refuse_duplicates(read.times[order], order, raw, read.form, path)
    elif freq is not None:
        raise InvalidTimestamps.at(freq_path, "leave freq out: resample gives the frequency")
    if np.any(order[1:] < order[:-1]):
        unsorted = "the timestamps were not in order: the rows were sorted by time"
        read = replace(read, warnings=(*read.warnings, unsorted))
    if reading.resample is not None:
        return _resampled(read, order, reading.resample)
    times = read.times[order]
    if reading.continues and reading.known is not None:
        return _unplaced(replace(read, times=times), order, reading.known, aliases, freq_path)
    placement = _placed(times, read.form, aliases, reading.known)
    if placement is None and len(raw) == 1 and freq is None:
        alone = "one timestamp alone gives no frequency: give freq to get timestamps with the forecast"
        return PlacedRows(None, np.zeros(1, np.intp), warnings=(*read.warnings, alone))
    beside = _beside(times, read.form, aliases, placement)
    warnings = read.warnings
    if beside:
        placement = beside
        warnings = (*warnings, _on_other_days(beside.grid))
    if placement is None:
        detail = _why_no_grid(times, read.form, freq)
        raise InvalidTimestamps.at(freq_path if freq else path, "; ".join([*read.warnings, detail]))
    if _is_sparse(placement):
        raise _too_sparse(placement, _cure(times, read.form, freq), path, read.warnings)
    placed = rows_of(placement, (*warnings, *_unlike(placement.grid, reading.known)))
    positions = np.empty(len(order), np.intp)
    positions[order] = placed.positions
    return replace(placed, positions=positions)


def _read(raw: Sequence[RawTime], date_format: str | None, path: Path, reading: Reading) -> ReadTimes:
    """Parse times; those that continue a model's may be ambiguous by themselves."""
    try:
        return read_times(raw, date_format, path)
    except AmbiguousDates:
        form = reading.known.form if reading.known else None
        if not reading.continues or form is None or form.pattern[:2] not in ("%d", "%m"):
            raise
        return read_times(raw, f"{form.pattern}{'%z' if form.offset else ''}", path)


def _unplaced(
    read: ReadTimes, order: NDArray[np.intp], known: Grid, aliases: Sequence[str], freq_path: Path
) -> PlacedRows:
    """Return ordered times as they are."""
    if aliases and known.freq not in aliases:
        detail = f"the rows of the model have frequency {known.freq!r}: leave freq out"
        raise InvalidTimestamps.at(freq_path, detail)
    # Rows of a model that aggregates are sent for whole steps, aggregated already.
    grid = replace(known, form=read.form.at_least(unit_of(known.freq)), how=None)
    positions = np.empty(len(order), np.intp)
    positions[order] = np.arange(len(order))
    return PlacedRows(TimeAxis(grid.snap(read.times, read.form.unit), grid), positions, warnings=read.warnings)


def _resampled(read: ReadTimes, order: NDArray[np.intp], resample: Resample) -> PlacedRows:
    """Place rows in the steps to which they are aggregated. order: the one that sorts them."""
    freq_path: Path = ("resample", "freq")
    alias = resampling_alias(resample.freq, freq_path)
    times = read.times[order]
    buckets = bucket_rows(times, read.form, alias, freq_path)
    placement = fewest_rows(buckets.labels, [Grid(alias, read.form)])
    if placement is None:
        raise InvalidTimestamps.at(freq_path, f"the steps of {alias!r} are not regular: give another frequency")
    placement = replace(placement, grid=replace(placement.grid, how=resample.how))
    if _is_sparse(placement):
        raise _too_sparse(placement, proposal(times), freq_path, read.warnings)
    placed = rows_of(placement, (*read.warnings, *buckets.warnings))
    positions = np.full(len(order), -1, np.intp)
    is_kept = buckets.bucket >= 0
    positions[order[is_kept]] = placed.positions[buckets.bucket[is_kept]]
    return replace(placed, positions=positions)


def axis_from_start(
    start: RawTime, freq: str, length: int, path: Path, date_format: str | None = None, reading: Reading = AS_SENT
) -> TimeAxis:
    """Create the axis of ``length`` rows from a start at ``path``, with the calendar of a model of the same frequency.

    Raises InvalidTimestamps if the start cannot be parsed, is not on the grid of ``freq``, or the rows exceed the year
    2262; AmbiguousDates, UnknownFrequency and InvalidOption as `axis_from_timestamps` does.
    """
    aliases = aliases_of(freq, (*path[:-1], "freq"))
    with errors_at(path):
        read = read_times([start], date_format, path, reading.time_zone)
    known = reading.known
    placement = replace(known, form=read.form).locate(read.times) if known and known.freq in aliases else None
    placement = placement or _place_on_given(read.times, read.form, aliases)
    if placement is None:
        near = read.form.at_least(unit_of(aliases[0])).write(Grid(aliases[0], read.form).next(read.times))[0]
        raise InvalidTimestamps.at(path, f"{start!r} is not on the grid of {freq!r}; the next time that is: {near!r}")
    try:
        index = placement.grid.range(placement.times[0], length)
    except OverflowError:
        raise InvalidTimestamps.at(path, f"{length} rows of {freq!r} from {start!r} exceed the year 2262") from None
    return TimeAxis(index, replace(placement.grid, form=read.form.at_least(unit_of(placement.grid.freq))))


def refuse_duplicates(
    times: TimeArray, order: NDArray[np.intp], raw: Sequence[RawTime], form: TimestampFormat, path: Path
) -> None:
    """Raise InvalidTimestamps at the first row with a duplicate time; ``order`` is the one that sorted ``times``."""
    seconds = order[1:][times[1:] == times[:-1]]
    if len(seconds):
        index = int(seconds.min())
        detail = f"{raw[index]!r} occurs twice: send one row for each time, of each item where there are several"
        if not form.is_absolute and form.unit not in ("Y", "Q", "M", "W", "D"):
            detail += "; if clocks were set back then, give time_zone (such as Europe/Berlin)"
        raise InvalidTimestamps.at((*path, index), detail)


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


def _beside(
    times: TimeArray, form: TimestampFormat, aliases: Sequence[str], placement: Placement | None
) -> Placement | None:
    """Place times beside the usual day of their periods, or return None if that is not far better than a placement."""
    if placement and placement.length <= _WORSE * len(times):
        return None
    found = one_row_a_period(times, form, aliases[0] if aliases else None)
    return found if found and (placement is None or placement.length > _WORSE * found.length) else None


def _place_on_given(times: TimeArray, form: TimestampFormat, aliases: Sequence[str]) -> Placement | None:
    """Place times on the first matching grid of those that an alias may mean."""
    for alias in aliases:
        snapped = Grid(alias, form).snap(times, form.unit)
        placement = fewest_rows(snapped, grids_of_alias(alias, snapped, form))
        if placement:
            return placement
    on_one_day = [grid for grid in grids_of_one_day(times, form) if unit_of(grid.freq) == unit_of(aliases[0])]
    return fewest_rows(times, on_one_day)


def _is_sparse(placement: Placement) -> bool:
    sent = len(placement.times)
    return placement.length > max(_GROWTH * sent, sent + _SPARE_ROWS)


def _too_sparse(placement: Placement, cure: str, path: Path, warnings: Sequence[str]) -> ServiceError:
    rows = f"{len(placement.times)} rows would spread over {placement.length} rows"
    detail = f"{rows} of frequency {placement.grid.freq!r}: {cure}"
    return InvalidTimestamps.at(path, "; ".join([*warnings, detail]))


def rows_of(placement: Placement, warnings: tuple[str, ...] = ()) -> PlacedRows:
    """Return ordered times on the rows of their grid, without holidays.

    Where days are absent regularly, other days without rows are holidays, unless they are many.
    """
    grid, positions = placement.grid, placement.positions
    rows = grid.around(placement.times[0], placement.length)
    rows[positions] = placement.times
    holidays = 0
    if grid.freq == "B" or grid.is_restricted:
        days = np.unique(grid.form.local(rows).astype("datetime64[D]"), return_inverse=True)[1]
        is_holiday = (np.bincount(days[positions], minlength=days[-1] + 1) == 0)[days]
        found = int(np.count_nonzero(is_holiday))
        if found <= _HOLIDAY_SHARE * len(rows):
            holidays, rows, positions = found, rows[~is_holiday], (np.cumsum(~is_holiday) - 1)[positions]
    axis = TimeAxis(rows, replace(grid, form=grid.form.at_least(unit_of(grid.freq))))
    return PlacedRows(axis, positions, len(rows) - len(positions), holidays, warnings)


def _unlike(grid: Grid, known: Grid | None) -> list[str]:
    """Return a warning about rows that do not lie on the grid of a model."""
    if known and grid.freq != known.freq:
        return [f"the rows have frequency {grid.freq!r}, those of the model {known.freq!r}"]
    if known and known.is_restricted and grid.calendar != known.calendar:
        return ["there are rows at times at which the model's series never has any"]
    return []


def _on_other_days(grid: Grid) -> str:
    period = {"W": "week", "M": "month", "Q": "quarter", "Y": "year"}[unit_of(grid.freq)]
    day = f", day {grid.calendar.day}" if grid.calendar and grid.calendar.day else ""
    return (
        f"the rows of a {period} lie on different days: forecasts are dated on the most frequent one "
        f"(frequency {grid.freq!r}{day})"
    )


def _cure(times: TimeArray, form: TimestampFormat, freq: str | None) -> str:
    found = (infer(times, form) or one_row_a_period(times, form)) if freq else None
    if found and not _is_sparse(found):
        return f"leave freq out, they look like {found.grid.freq!r}"
    return f"{proposal(times)}, {_CONSECUTIVE}"


def _why_no_grid(times: TimeArray, form: TimestampFormat, freq: str | None) -> str:
    steps = np.diff(times).astype("timedelta64[s]")
    found = infer(times, form) if freq and len(times) > 1 else None
    if found:
        return f"the timestamps are not all on the grid of {freq!r}: they look like {found.grid.freq!r}"
    span = f" (steps run from {steps.min().item()} to {steps.max().item()})" if len(steps) else ""
    grid = f"are not all on the grid of {freq!r}" if freq else "fit no regular frequency"
    return f"the timestamps {grid}{span}: {proposal(times)}, {_CONSECUTIVE}"
