"""Recognise regular absence: weekdays, times of day and months in which a series never has rows.

A time is taken as closed only if it is absent so often that this is no coincidence, given how often others are absent.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.calendar import (
    MOST_RANGES,
    Calendar,
    clock_of,
    month_of_year,
    weekday_of,
    written_clock,
)
from service.forecasting.series.frequency import DAY, WEEKDAYS, Weekday
from service.forecasting.series.time_format import TimeArray

Mask = NDArray[np.bool_]

# The probability that independent absences look like a regular one.
_COINCIDENCE = 0.1
_SHORTEST_STEP = 60 * 10**9
_SHORTEST_STEP_OF_MONTHS = 3600 * 10**9


def infer_calendar(step: int | None, local: TimeArray, present: Mask) -> Calendar | None:
    """Return the calendar of a grid, or None if no absence is regular.

    step: of the grid in nanoseconds, None for months; local: (row,) its local times; present: (row,) which were sent.
    """
    if present.all():
        return None
    weekdays, hours = None, None
    if step is not None and step >= _SHORTEST_STEP and DAY % step == 0:
        weekdays, hours = _week(step, local, present)
    months = None
    if step is None or _SHORTEST_STEP_OF_MONTHS <= step <= 7 * DAY:
        months = _months(step, local, present)
    found = Calendar(weekdays, hours, months)
    return found if found.restricts else None


def _week(
    step: int, local: TimeArray, present: Mask
) -> tuple[tuple[Weekday, ...] | None, dict[Weekday, tuple[str, ...]] | None]:
    """Return the weekdays with rows, and their hours if there are several rows a day."""
    slots = DAY // step
    # Rows of a day start at the same time of day; clocks that a change of the clock has shifted count as their slot.
    clock, weekday = clock_of(local), weekday_of(local)
    offset = int(clock[0] % step)
    slot = (clock - offset) // step % slots
    days = np.unique(local.astype("datetime64[D]"), return_inverse=True)[1]
    open_slots = ~_never(slot, present, slots)
    in_open_slot = open_slots[slot]
    day_has_rows = np.bincount(days[present], minlength=days[-1] + 1) > 0
    whole = np.bincount(days[in_open_slot], minlength=days[-1] + 1) == np.count_nonzero(open_slots)
    weekday_of_day = np.zeros(days[-1] + 1, np.int64)
    weekday_of_day[days] = weekday
    counted = whole | day_has_rows
    open_days = ~_never(weekday_of_day[counted], day_has_rows[counted], 7)
    table = np.tile(open_slots, (7, 1)) & open_days[:, None]
    rows = table[weekday, slot] & day_has_rows[days]
    never = _never((weekday * slots + slot)[rows], present[rows], 7 * slots)
    table &= ~never.reshape(7, slots)
    if table.all():
        return None, None
    open_days = np.asarray(table.any(axis=1))
    weekdays = tuple(name for name, is_open in zip(WEEKDAYS, open_days, strict=True) if is_open)
    if slots == 1:
        return weekdays, None
    hours = {name: _ranges(table[day], offset, step) for day, name in enumerate(WEEKDAYS) if open_days[day]}
    # With one row a day, the step is a day.
    if table.sum(axis=1).max() == 1 or any(len(ranges) > MOST_RANGES for ranges in hours.values()):
        return None, None
    return weekdays, hours


def _ranges(open_slots: Mask, offset: int, step: int) -> tuple[str, ...]:
    """Return the ranges of consecutive open slots of a day."""
    found = []
    for is_open, group in groupby(range(len(open_slots)), lambda slot: bool(open_slots[slot])):
        if is_open:
            run = list(group)
            found.append("-".join(written_clock(offset + slot * step) for slot in (run[0], run[-1])))
    return tuple(found)


def _months(step: int | None, local: TimeArray, present: Mask) -> tuple[int, ...] | None:
    """Return the months of the year with rows."""
    month = local.astype("datetime64[M]").astype(np.int64)
    first = int(month[0])
    has_rows = np.bincount(month[present] - first, minlength=int(month[-1]) - first + 1) > 0
    # Grids of quarters and years have no rows in other months.
    has_grid = np.bincount(month - first, minlength=len(has_rows)) > 0
    numbers = month_of_year((np.flatnonzero(has_grid) + first).astype("datetime64[M]").astype("datetime64[ns]")) - 1
    closed = _never(numbers, has_rows[has_grid], 12)
    if not closed.any() or (step is None and len(np.unique(numbers)) < 12):
        return None
    return tuple(int(number) + 1 for number in range(12) if not closed[number])


def _never(groups: NDArray[np.int64], present: Mask, count: int) -> Mask:
    """Return which of ``count`` groups never have rows, none if that may be a coincidence.

    groups: (row,) the group of each row.
    """
    total = np.bincount(groups, minlength=count)
    sent = np.bincount(groups[present], minlength=count)
    never = (sent == 0) & (total > 0)
    nobody = np.zeros(count, np.bool_)
    if not never.any() or never.all():
        return nobody
    others = sent > 0
    # Laplace's rule of succession, so that few rows without an absence prove little.
    absent = (np.sum((total - sent)[others]) + 1) / (np.sum(total[others]) + 2)
    groups_seen = int(np.count_nonzero(total))
    return np.asarray(never & (groups_seen * absent**total <= _COINCIDENCE))
