"""Local time of a time zone: conversion to UTC and back, also where clocks are set forward or back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from zoneinfo import available_timezones

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidOption, Path
from service.forecasting.series.calendar import clock_of
from service.forecasting.series.time_format import RawTime, TimeArray, refuse


@cache
def _zones() -> frozenset[str]:
    # "localtime" is the zone of the machine, not of the data.
    return frozenset(available_timezones() - {"localtime"})


def check_time_zone(name: str, path: Path) -> None:
    """Raise InvalidOption at ``path`` unless this is the IANA name of a time zone."""
    if name not in _zones():
        similar = sorted(one for one in _zones() if one.rpartition("/")[2].lower() == name.lower().replace(" ", "_"))
        cure = f"did you mean {similar[0]!r}?" if similar else "give an IANA name such as Europe/Berlin or UTC"
        raise InvalidOption.at(path, f"{name[:40]!r} is not a time zone: {cure}")


def to_utc_of_zone(local: TimeArray, zone: str, raw: Sequence[RawTime], path: Path) -> TimeArray:
    """Convert local times (row,) in the order in which they were sent.

    Of a local time that occurs twice, as clocks were set back, the rows are in order of time, whether times ascend or
    descend; a single one is the earlier, unless only the later is a multiple of the usual step from the row before. Of
    days, a midnight that clocks skipped is the first time of the day. Raises InvalidTimestamps at another time that
    clocks which were set forward skipped, and at one that occurs twice in rows that neither ascend nor descend.
    """
    import pandas as pd

    index = pd.DatetimeIndex(local)
    earlier, later = (
        np.asarray(
            index.tz_localize(zone, ambiguous=np.full(len(local), is_first), nonexistent="NaT")
            .tz_convert(None)
            .as_unit("ns")
            .to_numpy()
        )
        for is_first in (True, False)
    )
    skipped = np.isnat(earlier)
    if skipped.any() and not clock_of(local).any():
        first = index.tz_localize(zone, ambiguous=np.ones(len(local), np.bool_), nonexistent="shift_forward")
        is_day = skipped & (first.day == index.day)
        starts = np.asarray(first.tz_convert(None).as_unit("ns").to_numpy())
        earlier, later = np.where(is_day, starts, earlier), np.where(is_day, starts, later)
    if np.isnat(earlier).any():
        detail = (
            f"clocks were set forward in {zone}, and skipped it: leave this row out, or give the zone of these times"
        )
        refuse(raw, int(np.isnat(earlier).argmax()), path, detail)
    twice = earlier != later
    if not twice.any():
        return earlier
    repeated = twice & _is_repeated(local)
    found = np.where(repeated, later, earlier)
    steps = np.diff(found.astype(np.int64))
    if repeated.any() and (steps > 0).any() and (steps < 0).any():
        detail = "it occurs twice, as clocks were set back, and the rows have no order: sort the rows by time"
        refuse(raw, int(repeated.argmax()), path, detail)
    return np.where(twice & _is_single(local), _on_step(found, later), found)


def _is_single(local: TimeArray) -> NDArray[np.bool_]:
    _, inverse, counts = np.unique(local, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] == 1)


def _on_step(times: TimeArray, later: TimeArray) -> TimeArray:
    """Return the later of two possible times where it, and not the other, is some usual steps from the row before."""
    order = np.argsort(times, kind="stable")
    steps = np.diff(times[order]).astype(np.int64)
    if not len(steps) or not steps.max():
        return times
    values, counts = np.unique(steps[steps > 0], return_counts=True)
    usual = int(values[counts.argmax()])
    # The first row is compared with the second.
    before = times[np.insert(order[:-1], 0, order[1])]
    is_on, is_later_on = ((one[order] - before).astype(np.int64) % usual == 0 for one in (times, later))
    chosen = times.copy()
    on_later = order[~is_on & is_later_on]
    chosen[on_later] = later[on_later]
    return chosen


def _is_repeated(local: TimeArray) -> NDArray[np.bool_]:
    """Return which local times are the later one of two rows with the same."""
    descend = len(local) > 1 and local[0] > local[-1]
    ordered = local[::-1] if descend else local
    seen = np.zeros(len(ordered), np.bool_)
    seen[np.unique(ordered, return_index=True)[1]] = True
    return ~(seen[::-1] if descend else seen)
