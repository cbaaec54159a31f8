"""The result of parsing a column of times, and the steps that all parsers share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from service.errors import InvalidTimestamps, Path
from service.forecasting.series.time_format import NANOSECONDS_PER, TimeArray, TimeForm, minutes_of

RawTime = str | int

# The whole years that nanoseconds since 1970 can represent, with a margin for any offset from UTC.
FIRST, LAST = np.datetime64("1678-01-01", "ns"), np.datetime64("2262-01-01", "ns")
_YEARS = "the years 1678 to 2261"


@dataclass(frozen=True, eq=False)
class ReadTimes:
    """Times (datetime64[ns], UTC if they had an offset), their format, and warnings about them."""

    times: TimeArray
    form: TimeForm
    warnings: tuple[str, ...] = ()


def refuse(raw: Sequence[RawTime], index: int, path: Path, why: str) -> NoReturn:
    """Raise InvalidTimestamps at one element of the column at ``path``."""
    value = raw[index]
    shown = repr(value[:60] if isinstance(value, str) else value)
    raise InvalidTimestamps.at((*path, index), f"{shown} cannot be used as a time: {why}")


def from_pattern(texts: Sequence[str], pattern: str, raw: Sequence[RawTime], path: Path) -> TimeArray:
    """Parse naive texts with one strptime pattern or ``ISO8601``.

    The error names the first element of ``raw`` that does not match or is outside the range of nanoseconds.
    """
    import pandas as pd

    column = np.array(texts, dtype=object)
    try:
        times = np.asarray(pd.to_datetime(column, format=pattern).as_unit("ns").to_numpy())
        if times.min() >= FIRST and times.max() < LAST:
            return times
    except (ValueError, OverflowError):
        pass
    read = pd.to_datetime(column, format=pattern, errors="coerce")
    outside = ~np.asarray((read >= pd.Timestamp(FIRST)) & (read < pd.Timestamp(LAST)))
    shown = "a calendar time" if pattern in ("ISO8601", "%Y-%m-%d", "%Y%m%d") else f"of the form {pattern!r}"
    refuse(raw, int(np.argmax(outside)), path, f"it is not {shown}, or lies outside {_YEARS}")


def from_epoch(texts: Sequence[str], pattern: str, path: Path) -> TimeArray:
    """Parse counts of seconds or milliseconds since 1970."""
    nanoseconds = NANOSECONDS_PER[pattern]
    counts = np.array([int(text) for text in texts])
    beyond = counts >= LAST.astype(np.int64) // nanoseconds
    if beyond.any():
        refuse(texts, int(np.argmax(beyond)), path, f"it lies outside {_YEARS}")
    return (counts * nanoseconds).view("datetime64[ns]")


def to_utc(
    local: TimeArray, offsets: Sequence[str | None], form: TimeForm, raw: Sequence[RawTime], path: Path
) -> ReadTimes:
    """Convert local times to UTC: one common offset is kept in the format, mixed ones become UTC with a warning."""
    found = set(offsets)
    if found == {None}:
        return ReadTimes(local, form)
    if None in found:
        odd = next(i for i, offset in enumerate(offsets) if (offset is None) != (offsets[0] is None))
        refuse(raw, odd, path, "some times have an offset from UTC and some have none; give all or none")
    minutes = {}
    for offset in found:
        try:
            minutes[offset] = minutes_of(offset)
        except ValueError:
            refuse(raw, offsets.index(offset), path, "there is no such offset from UTC")
    utc = local - np.array([minutes[offset] for offset in offsets], dtype="timedelta64[m]")
    if len(set(minutes.values())) == 1:
        return ReadTimes(utc, replace(form, offset=offsets[0]))
    shown = ", ".join(sorted(str(offset).strip() for offset in found)[:4])
    warning = f"the timestamps have several offsets from UTC ({shown}): they were moved to UTC"
    return ReadTimes(utc, replace(form, offset="Z"), (warning,))
