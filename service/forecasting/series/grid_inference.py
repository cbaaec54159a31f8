"""Infer the grid on which the times of a client lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series import frequency
from service.forecasting.series.calendar import Calendar, clock_of, day_of_month, on_day, weekday_of
from service.forecasting.series.calendar_inference import infer_calendar
from service.forecasting.series.frequency import DAY, MONTHS, WEEKDAYS
from service.forecasting.series.grid import Grid, Placement, nanoseconds_between
from service.forecasting.series.time_format import LAST, TimeArray, TimestampFormat

# Regular absence is looked for in grids of at most so many rows for each that was sent.
_SPARSEST = 200
# A calendar is used only if it has at most so many rows for each that was sent.
_MOST_ROWS = 1.5
_YEAR = np.timedelta64(366, "D")
_STARTS_AND_ENDS = ("MS", "ME", "BMS", "BME")


def infer(times: TimeArray, form: TimestampFormat) -> Placement | None:
    """Infer the grid of two or more ordered, distinct times, which may have gaps.

    Of the grids that contain all times, the one with the fewest rows is returned; on a tie, calendar steps are
    preferred to constant ones, and grids without a calendar to others.
    """
    local = form.local_days(times)
    calendar_steps = (Grid(freq, form) for freq in _calendar_candidates(local))
    constant_steps = (grid for freq in _constant_candidates(local, times) for grid in grids_of_alias(freq, times, form))
    return fewest_rows(times, chain(calendar_steps, grids_of_one_day(times, form), constant_steps))


def grids_of_alias(freq: str, times: TimeArray, form: TimestampFormat) -> list[Grid]:
    """Return the grids that an alias may mean, the likelier first.

    Steps of hours are constant, or those of local clocks, which makes a difference where a change of clocks is no
    multiple of them. Without a change between the rows, those at 00:00, 06:00 and so on of local time are by clock.
    """
    grid, step = Grid(freq, form), frequency.step_of(freq)
    if form.zone is None or step is None or step >= DAY or DAY % step or _shift_of_clocks(times, form) % step == 0:
        return [grid]
    by_clock = replace(grid, by_clock=True)
    on_clock, on_utc = (int(clock_of(first)[0]) % step == 0 for first in (form.local(times[:1]), times[:1]))
    is_written_locally = form.offset is None and not form.is_epoch
    return [by_clock, grid] if on_clock and (is_written_locally or not on_utc) else [grid, by_clock]


def _shift_of_clocks(times: TimeArray, form: TimestampFormat) -> int:
    """Return the nanoseconds by which clocks change, the greatest common divisor; 0 if they do not change."""
    days = np.arange(times[0], min(times[-1], LAST - _YEAR) + _YEAR, np.timedelta64(14, "D"))
    return int(np.gcd.reduce(np.diff((form.local(days) - days).astype(np.int64))))


def fewest_rows(times: TimeArray, grids: Iterable[Grid]) -> Placement | None:
    """Place times on each grid that contains them, with the calendar of regular absences; return the shortest."""
    placed = []
    for placement in filter(None, (grid.locate(times) for grid in grids)):
        if placement.length == len(times):
            placed = [placement]  # none is shorter, and of those before it, none as short
            break
        placed.append(placement)
    found = [one for placement in placed for one in (placement, _with_calendar(placement)) if one]
    return min(found, key=_rows_and_calendar, default=None)


def _rows_and_calendar(placement: Placement) -> tuple[int, bool]:
    return placement.length, placement.grid.is_restricted


def _with_calendar(placement: Placement) -> Placement | None:
    """Place times on the rows of the grid that are not regularly absent, or return None if none are."""
    grid, length = placement.grid, placement.length
    if length == len(placement.times) or length > _SPARSEST * len(placement.times):
        return None
    step = frequency.step_of(grid.freq)
    local = grid.form.local(grid.range(placement.times[0], length))
    present = np.zeros(length, np.bool_)
    present[placement.positions] = True
    calendar = infer_calendar(DAY if grid.freq == "B" else step, local, present)
    if calendar is None:
        return None
    if grid.freq == "B":
        calendar = replace(calendar, weekdays=None)
    day = grid.calendar.day if grid.calendar else None
    found = replace(grid, calendar=replace(calendar, day=day)).locate(placement.times)
    return found if found and found.length <= _MOST_ROWS * len(placement.times) else None


def one_row_a_period(times: TimeArray, form: TimestampFormat, freq: str | None = None) -> Placement | None:
    """Place times that have at most one row in each month (quarter, year) or week, but on different days.

    So are the last trading days of months, and weekly prices whose Friday was a holiday. The grid is the one that
    contains most of the times. freq: alias of months or weeks, if it is given. Returns None if two rows are in the same
    period, or if no grid contains half of the times.
    """
    local = form.local_days(times)
    unit = freq and frequency.unit_of(freq)
    placements = []
    if unit in (None, "M", "Q", "Y"):
        placements.append(_one_row_a_month(times, local, form))
    if unit in (None, "W"):
        placements.append(_one_row_a_week(times, local, form))
    found = [placement for placement in placements if placement]
    return min(found, key=lambda placement: placement.length, default=None)


def _one_row_a_month(times: TimeArray, local: TimeArray, form: TimestampFormat) -> Placement | None:
    months = local.astype("datetime64[M]").astype(np.int64)
    steps = np.diff(months)
    if not len(steps) or steps.min() < 1:
        return None
    count = int(np.gcd.reduce(steps))
    days = np.bincount(day_of_month(local))
    aliases = [_alias(name, int(months[0]) % 12, count) for name in _STARTS_AND_ENDS]
    grids = [*(Grid(alias, form) for alias in aliases), Grid(aliases[0], form, Calendar(day=int(days.argmax())))]
    positions = ((months - months[0]) // count).astype(np.intp)
    return _mostly_on(grids, times, positions)


def _one_row_a_week(times: TimeArray, local: TimeArray, form: TimestampFormat) -> Placement | None:
    days = local.astype("datetime64[D]").astype(np.int64)
    anchor = int(np.bincount(weekday_of(local), minlength=7).argmax())
    # Weeks centred at the usual weekday.
    weeks = (days + 3 - anchor + 3) // 7
    steps = np.diff(weeks)
    if not len(steps) or steps.min() < 1:
        return None
    count = int(np.gcd.reduce(steps))
    alias = f"{'' if count == 1 else count}W-{WEEKDAYS[anchor]}"
    return _mostly_on([Grid(alias, form)], times, ((weeks - weeks[0]) // count).astype(np.intp))


def _mostly_on(grids: Sequence[Grid], times: TimeArray, positions: NDArray[np.intp]) -> Placement | None:
    """Place times at given rows of the grid that contains most of them, if it contains half of them."""
    length = int(positions[-1]) + 1
    if length > _SPARSEST * len(times):
        return None
    best: tuple[int, Grid] | None = None
    for grid in grids:
        rows = grid.around(times[0], length)
        hits = int(np.count_nonzero(rows[positions].astype("datetime64[D]") == times.astype("datetime64[D]")))
        if 2 * hits >= len(times) and (best is None or hits > best[0]):
            best = hits, grid
    return Placement(best[1], times, positions, length) if best else None


def grids_of_one_day(times: TimeArray, form: TimestampFormat) -> list[Grid]:
    """Return the grid of months, quarters or years whose rows lie on one day of the month, if all times do."""
    local = form.local_days(times)
    day = int(day_of_month(local).max())
    months = local.astype("datetime64[M]").astype(np.int64)
    steps = np.diff(months)
    if day == 1 or not len(steps) or steps.min() < 1 or np.any(on_day(local, day) != local):
        return []
    count = int(np.gcd.reduce(steps))
    return [Grid(_alias("MS", int(months[0]) % 12, count), form, Calendar(day=day))]


def _alias(name: str, month: int, count: int) -> str:
    """Return the alias of every ``count`` months, of quarters or years if it is a multiple of these."""
    if count % 12 == 0:
        alias, multiple = f"{name.replace('M', 'Y')}-{MONTHS[month]}", count // 12
    elif count % 3 == 0:
        alias, multiple = frequency.quarter_alias(name.replace("M", "Q"), month), count // 3
    else:
        alias, multiple = name, count
    return f"{'' if multiple == 1 else multiple}{alias}"


def _constant_candidates(local: TimeArray, times: TimeArray) -> Iterator[str]:
    """Yield the usual step, business days, and the longest step that contains all local times, and all times."""
    steps = nanoseconds_between(local[:-1], local[1:])
    values, counts = np.unique(steps, return_counts=True)
    weekday = int(weekday_of(local[:1])[0])
    yield frequency.alias_of_step(int(values[np.argmax(counts)]), weekday)
    days = local.astype("datetime64[D]")
    skips_weekend = np.busday_count(days[0], days[-1]) < int((days[-1] - days[0]).astype(np.int64))
    if skips_weekend and np.is_busday(days).all():
        yield "B"
    yield frequency.alias_of_step(int(np.gcd.reduce(steps)), weekday)
    if times is not local:
        yield frequency.alias_of_step(int(np.gcd.reduce(nanoseconds_between(times[:-1], times[1:]))), weekday)


def _calendar_candidates(local: TimeArray) -> Iterator[str]:
    """Yield steps of a calendar, in the order of preference on a tie.

    Starts and ends of as many months, quarters or years as divide all steps, n-th weekdays of months, and half-months.
    """
    shortest = int(nanoseconds_between(local[:-1], local[1:]).min())
    if 12 * DAY <= shortest < 28 * DAY:
        # The starts and ends of months with a day between them.
        days = [int(day) for day in np.unique(day_of_month(local[:12])) if 1 < day < 28]
        yield from (f"{name}-{days[0]}" for name in ("SMS", "SME") if len(days) == 1)
    if shortest < 28 * DAY:
        return
    months = local.astype("datetime64[M]").astype(np.int64)
    count = int(np.gcd.reduce(np.diff(months)))
    if not count:
        return
    for name in _STARTS_AND_ENDS:
        yield _alias(name, int(months[0]) % 12, count)
    if count == 1:
        weekday = WEEKDAYS[int(weekday_of(local[:1])[0])]
        week = int(day_of_month(local).max() - 1) // 7 + 1
        if week < 5:
            yield f"WOM-{week}{weekday}"
        yield f"LWOM-{weekday}"
