"""Write a column of times in the form that the service reads, and parse those that it writes.

That form is ISO 8601, with an offset if the times have a time zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidTimestamps

if TYPE_CHECKING:
    import pandas as pd

TimeArray = NDArray[np.datetime64]
Zone = str | tzinfo

_UNITS = ("D", "s", "ms", "us", "ns")
_UTC = ("UTC", "ETC/UTC", "GMT", "Z")
_DAY = np.timedelta64(23, "h")  # The shortest length of a day when clocks change.
_MINUTE = np.timedelta64(1, "m")


_ABSOLUTE = re.compile(r".*[0-9]:[0-9]{2}.*(Z|[+-][0-9]{2}(:?[0-9]{2})?)|[0-9]{9,13}")


@dataclass(frozen=True)
class TimeStyle:
    """How zoned times are written: as local times of ``zone``, or with an offset from UTC."""

    zone: Zone | None
    by_the_clock: bool


@dataclass(frozen=True)
class WrittenTimes:
    """texts: one for each row; style: of times that had a time zone.

    as_given: whether they are numbers and strings of the caller, which are left unchanged.
    """

    texts: Sequence[str | int]
    style: TimeStyle | None = None
    as_given: bool = False


def write_times(column: nw.Series[Any], name: str, style: TimeStyle | None = None) -> WrittenTimes:
    """Write a column of dates, times, strings or whole numbers.

    style: of zoned times; by default the style in which they are regular. Raises InvalidTimestamps at a row without a
    time.
    """
    missing = column.is_null().to_numpy()
    if missing.any():
        row = int(np.argmax(missing))
        raise InvalidTimestamps.at((name, row), f"column {name!r} has no time in row {row}")
    kind = column.dtype
    if _has_zone_of_pandas(column):
        native = column.to_native()
        in_utc = native.dt.tz_convert("UTC").dt.tz_localize(None)
        return _write_moments(native.dt.tz_localize(None).to_numpy(), in_utc.to_numpy(), native.dt.tz, style)
    if isinstance(kind, nw.Datetime) and kind.time_zone is not None:
        in_utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        clock = column.dt.replace_time_zone(None)
        return _write_moments(clock.to_numpy(), in_utc.to_numpy(), kind.time_zone, style)
    if kind in (nw.Date, nw.Datetime):
        return WrittenTimes(_written(column.to_numpy()))
    if kind in (nw.Categorical, nw.Enum):
        column = column.cast(nw.String)
    if column.dtype == nw.String or kind.is_integer():
        return WrittenTimes(column.to_list(), as_given=True)
    raise InvalidTimestamps.at((name,), f"column {name!r} contains {kind}, not times: convert it to dates first")


def name_of_zone(zone: Zone | None) -> str | None:
    """Return the IANA name of a time zone, or None if it has none or is UTC."""
    name = str(zone)
    if zone is None or name.upper() in _UTC:
        return None
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None
    return name


def is_dated(column: Any) -> bool:
    """Return whether a column has a date or time type."""
    return isinstance(column, nw.Series) and (column.dtype in (nw.Date, nw.Datetime) or _has_zone_of_pandas(column))


def _has_zone_of_pandas(column: nw.Series[Any]) -> bool:
    # narwhals does not recognise pandas time zones whose names contain more than letters, such as America/New_York.
    return nw.dependencies.is_pandas_series(column.to_native()) and hasattr(column.to_native().dtype, "tz")


def is_absolute(time: str | int) -> bool:
    """Return whether a written time has an offset from UTC, or is a count since 1970."""
    return _ABSOLUTE.fullmatch(str(time)) is not None


def _write_moments(clock: TimeArray, moments: TimeArray, zone: Zone, style: TimeStyle | None) -> WrittenTimes:
    offsets = clock - moments
    if style is None:
        by_the_clock = _follows_the_clock(moments, offsets, zone)
    else:
        by_the_clock = style.by_the_clock and str(style.zone) == str(zone)
    written = TimeStyle(zone, by_the_clock)
    if by_the_clock:
        return WrittenTimes(_written(clock), written)
    if len(offsets) and (offsets == offsets[0]).all() and offsets[0] % _MINUTE == 0 * _MINUTE:
        return WrittenTimes(_written(clock, _offset(offsets[0])), written)
    return WrittenTimes(_written(moments, "Z"), written)


def _follows_the_clock(moments: TimeArray, offsets: NDArray[np.timedelta64], zone: Zone) -> bool:
    """Return whether rows are regular in local time and not in UTC, as days are when clocks change."""
    if str(zone).upper() in _UTC:
        return False
    steps = np.diff(np.unique(moments))
    if not len(steps) or steps.min() >= _DAY:
        return True
    clocks_changed = bool((offsets != offsets[0]).any())
    return clocks_changed and bool((steps % steps.min()).astype(np.int64).any())


def _offset(offset: np.timedelta64) -> str:
    return str(timezone(timedelta(minutes=int(offset / _MINUTE)))).removeprefix("UTC") or "Z"


def _written(times: TimeArray, suffix: str = "") -> list[str]:
    """Write times down to the finest unit that any has; with an offset, at least to the second."""
    units = _UNITS[1:] if suffix else _UNITS
    unit = next(unit for unit in units if (times.astype(f"datetime64[{unit}]") == times).all())
    texts: list[str] = np.datetime_as_string(times.astype(f"datetime64[{unit}]")).tolist()
    return [text + suffix for text in texts] if suffix else texts


def parse_times(texts: Sequence[str | int], zone: Zone | None) -> pd.Series[Any]:
    """Return times as the service wrote them as a column: dates if they are ISO 8601, else unchanged.

    zone: the time zone to convert times with an offset to, or to localize naive times in. Without one, times of several
    offsets are converted to UTC.
    """
    import pandas as pd

    column = pd.Series(texts)
    if not texts or not isinstance(texts[0], str):
        return column
    try:
        # Offsets differ where clocks change.
        is_utc = is_absolute(texts[0]) and len({str(text)[-6:] for text in texts}) > 1
        times = pd.to_datetime(column, format="ISO8601", utc=is_utc)
    except ValueError:
        return column
    if times.dt.tz is None and zone:
        # Daylight saving time if an hour occurs twice; the next hour if it does not exist.
        return times.dt.tz_localize(zone, ambiguous=np.ones(len(times), dtype=bool), nonexistent="shift_forward")
    return times.dt.tz_convert(zone) if zone else times
