"""The format of a client's times, so that responses are written in the same format, and parsing with one format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import repeat
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, StrictBool, TypeAdapter

from service.errors import InvalidTimestamps, Path
from service.tables.month_names import ENGLISH, LANGUAGES, month_name

TimeArray = NDArray[np.datetime64]
RawTime = str | int
# The whole years that nanoseconds since 1970 can represent, with a margin for any offset from UTC.
FIRST, LAST = np.datetime64("1678-01-01", "ns"), np.datetime64("2262-01-01", "ns")
YEARS = "the years 1678 to 2261"
EPOCH_SECONDS = "epoch_seconds"
NANOSECONDS_PER = {
    EPOCH_SECONDS: 10**9,
    "epoch_milliseconds": 10**6,
    "epoch_microseconds": 1000,
    "epoch_nanoseconds": 1,
}
SAFE_DIRECTIVES = frozenset("YymdHIMSfpaAbBjqhNnGVu")
PARTS_OF_YEARS = frozenset("qhNnGVu")
"""Directives that pandas does not parse: quarters, half-years, the following year, and ISO weeks with their days."""

_FINEST_FIRST = {"f": "us", "S": "s", "M": "m", "H": "m", "I": "m", "d": "D", "j": "D"}
_FINEST_FIRST |= {"u": "D", "V": "W", "m": "M", "b": "M", "B": "M", "q": "Q", "h": "Q"}
_UNITS = ("Y", "Q", "M", "W", "D", "m", "s", "ms", "us", "ns")
_OFFSET = re.compile(r" ?(?:Z|UTC|GMT|([+-])([0-9]{2})(?::?([0-9]{2}))?)")
_EPOCH_UNITS = dict(zip(NANOSECONDS_PER, ("s", "ms", "us", "ns"), strict=True))
# numpy writes these an order of magnitude faster than strftime, also with a space in place of the T.
_NUMPY_UNITS = {"%Y": "Y", "%Y-%m": "M", "%Y-%m-%d": "D", "%Y-%m-%dT%H:%M": "m", "%Y-%m-%dT%H:%M:%S": "s"}


@dataclass(frozen=True)
class TimestampFormat:
    """The written format of a column of times.

    pattern: strptime pattern of the local time, without fraction and offset; ``%q`` is a quarter, ``%h`` a half-year,
        ``%N`` and ``%n`` the following year with four and two digits. Or one of `NANOSECONDS_PER`.
    fraction: digits after the seconds (0..9).
    offset: offset from UTC as written (``Z``, ``+02:00``), or None for naive times.
    numeric: written as JSON numbers rather than strings.
    padded: days, months and weeks below ten have a leading zero; hours_padded: so do hours.
    language: language of month names.
    zone: IANA name of the time zone of local time, with whose offsets times are written if ``offset`` is not None;
        None: ``offset`` says what local time is.
    """

    pattern: str = "%Y-%m-%d"
    fraction: Annotated[int, Field(strict=True, ge=0, le=9)] = 0
    offset: str | None = None
    numeric: StrictBool = False
    padded: StrictBool = True
    hours_padded: StrictBool = True
    language: str = ENGLISH
    zone: str | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def is_epoch(self) -> bool:
        """Whether times are counts since 1970."""
        return self.pattern in NANOSECONDS_PER

    @property
    def is_absolute(self) -> bool:
        """Whether times are absolute, rather than local times of an unknown place."""
        return self.offset is not None or self.is_epoch or self.zone is not None

    @property
    def unit(self) -> str:
        """Finest unit that is written, as a numpy unit (Y, M, W, D, m, s, ms, us or ns), or Q."""
        if self.is_epoch:
            return _EPOCH_UNITS[self.pattern]
        if self.fraction:
            return ("ms", "us", "ns")[(self.fraction - 1) // 3]
        directives = directives_of(self.pattern)
        return next((unit for directive, unit in _FINEST_FIRST.items() if directive in directives), "Y")

    def at_least(self, unit: str) -> TimestampFormat:
        """Return this format, or the nearest one that writes times down to ``unit``."""
        if _UNITS.index(self.unit) >= _UNITS.index(unit):
            return self
        if self.is_epoch:
            return replace(self, pattern=next(pattern for pattern, one in _EPOCH_UNITS.items() if one == unit))
        if unit in ("Q", "M", "W", "D"):
            return replace(self, pattern="%Y-%m" if unit in ("Q", "M") else "%Y-%m-%d", numeric=False)
        fraction = {"ms": 3, "us": 6, "ns": 9}.get(unit, 0)
        return replace(self, pattern=self._pattern_with_seconds(), fraction=fraction, numeric=False)

    def _pattern_with_seconds(self) -> str:
        if self.pattern.endswith("%S"):
            return self.pattern
        if self.pattern.endswith("%H:%M"):
            return f"{self.pattern}:%S"
        if self.unit == "D" and self.pattern not in ("%Y-%m-%d", "%Y%m%d"):
            return f"{self.pattern} %H:%M:%S"
        return "%Y-%m-%dT%H:%M:%S"

    def write(self, times: TimeArray) -> list[str | int]:
        """Write times (datetime64[ns], UTC if there is an offset) in this format."""
        if self.is_epoch:
            counts = (times.astype(np.int64) // NANOSECONDS_PER[self.pattern]).tolist()
            return counts if self.numeric else [str(count) for count in counts]
        local = self.local(times)
        texts = self._local_texts(local)
        if self.fraction:
            digits = np.datetime_as_string(local, unit="ns")
            texts = [f"{text}.{digit[20 : 20 + self.fraction]}" for text, digit in zip(texts, digits, strict=True)]
        if self.offset:
            texts = [text + offset for text, offset in zip(texts, self._offsets(times, local), strict=True)]
        return [int(text) for text in texts] if self.numeric else list(texts)

    def _offsets(self, times: TimeArray, local: TimeArray) -> Iterable[str]:
        if self.zone is None or self.offset is None:
            return repeat(self.offset or "", len(times))
        space = " " if self.offset.startswith(" ") else ""
        colon = "" if re.fullmatch(r" ?[+-][0-9]{4}", self.offset) else ":"
        minutes = (local - times).astype("timedelta64[m]").astype(np.int64).tolist()
        return [f"{space}{'-' if one < 0 else '+'}{abs(one) // 60:02}{colon}{abs(one) % 60:02}" for one in minutes]

    def local(self, times: TimeArray) -> TimeArray:
        """Convert times, in UTC if they had an offset or there is a zone, to local times."""
        if self.zone is not None:
            import pandas as pd

            return np.array(pd.DatetimeIndex(times, tz="UTC").tz_convert(self.zone).tz_localize(None).as_unit("ns"))
        minutes = minutes_of(self.offset)
        return times + np.timedelta64(minutes, "m") if minutes else times

    def absolute(self, local: TimeArray) -> TimeArray:
        """Convert local times back; see `local`. One that clocks skip becomes the next, of a repeated one the first."""
        if self.zone is not None:
            import pandas as pd

            first = np.ones(len(local), np.bool_)
            index = pd.DatetimeIndex(local).tz_localize(self.zone, ambiguous=first, nonexistent="shift_forward")
            return np.array(index.tz_convert(None).as_unit("ns"))
        minutes = minutes_of(self.offset)
        return local - np.timedelta64(minutes, "m") if minutes else local

    def local_days(self, times: TimeArray) -> TimeArray:
        """Convert times to local times, the start of a day whose midnight clocks skip to its midnight."""
        local = self.local(times)
        if self.zone is None:
            return local
        midnight = local.astype("datetime64[D]").astype("datetime64[ns]")
        if np.array_equal(midnight, local):
            return local
        return np.where(self.absolute(midnight) == times, midnight, local)

    def _local_texts(self, local: TimeArray) -> list[str]:
        unit = _NUMPY_UNITS.get(self.pattern.replace(" ", "T")) if self.padded and self.hours_padded else None
        if unit is None:
            return [self._written(time) for time in local.astype("datetime64[us]").tolist()]
        texts: list[str] = np.datetime_as_string(local.astype(f"datetime64[{unit}]")).tolist()
        return [text.replace("T", " ") for text in texts] if " " in self.pattern else texts

    def _written(self, time: datetime) -> str:
        own = {
            "B": month_name(time.month, self.language, full=True),
            "b": month_name(time.month, self.language, full=False),
            "q": str((time.month + 2) // 3),
            "h": str((time.month + 5) // 6),
            "N": str(time.year + 1),
            "n": f"{(time.year + 1) % 100:02}",
        }
        if not self.padded:
            own |= {"d": str(time.day), "m": str(time.month), "V": str(time.isocalendar().week)}
        if not self.hours_padded:
            own |= {"H": str(time.hour), "I": str((time.hour + 11) % 12 + 1)}
        return time.strftime(re.sub("%(.)", lambda match: own.get(match[1], match[0]), self.pattern, flags=re.DOTALL))

    def to_record(self) -> dict[str, Any]:
        """Return the format as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> TimestampFormat:
        """Restore a format from `to_record`; raises ValueError for an invalid record."""
        form = _ADAPTER.validate_python(record)
        minutes_of(form.offset)
        fault = None if form.is_epoch else fault_of_pattern(form.pattern)
        if fault or form.language not in LANGUAGES:
            raise ValueError(fault or "not a language of month names")
        if form.zone is not None:
            ZoneInfo(form.zone)
        return form


_ADAPTER = TypeAdapter(TimestampFormat)


def minutes_of(offset: str | None) -> int:
    """Return an offset from UTC in minutes; 0 for None and Z. Raises ValueError if it cannot be parsed."""
    if offset is None:
        return 0
    if match := _OFFSET.fullmatch(offset):
        sign, hours, minutes = match.groups(default="0")
        total = int(hours) * 60 + int(minutes)
        if total <= 18 * 60 and int(minutes) <= 59:
            return -total if sign == "-" else total
    raise ValueError(f"no offset from UTC: {offset!r}")


def directives_of(pattern: str) -> str:
    """Return the letters of the directives of a strptime pattern, in order."""
    return "".join(re.findall(r"%(.)", pattern.replace("%%", ""), re.DOTALL))


def fault_of_pattern(pattern: str) -> str | None:
    """Describe what is wrong with a strptime pattern (without %z), or return None."""
    directives = directives_of(pattern)
    unknown = sorted(set(directives) - SAFE_DIRECTIVES)
    if unknown or pattern.replace("%%", "").endswith("%") or len(pattern) > 64:
        known = " ".join(f"%{directive}" for directive in sorted(SAFE_DIRECTIVES))
        return f"{pattern[:80]!r} has directives that are not known; known are {known}, and %z at the end"
    if len(set(directives)) < len(directives):
        return f"{pattern!r} names a part of the time twice"
    weeks = set("GVu") & set(directives)
    if weeks and set(directives) not in ({"G", "V"}, {"G", "V", "u"}):
        return f"{pattern!r}: an ISO week is %G with %V (2024-W05 is %G-W%V), a day of it also %u, and nothing else"
    if set("qh") & set(directives) and (len(directives) > 2 or not set("Yy") & set(directives)):
        return f"{pattern!r}: a quarter (%q) or half-year (%h) needs a year (2024Q1 is %YQ%q), and nothing else"
    if set("Nn") & set(directives) and (len(directives) > 2 or "Y" not in directives):
        return f"{pattern!r}: the following year (%N, %n) needs the year (1999/2000 is %Y/%N), and nothing else"
    if not set("YyG") & set(directives):
        return f"{pattern!r} has no year (%Y)"
    if "d" in directives and not set("mbB") & set(directives):
        return f"{pattern!r} has a day but no month (%m)"
    return None


@dataclass(frozen=True, eq=False)
class ReadTimes:
    """Times (datetime64[ns], UTC if they had an offset), their format, and warnings about them."""

    times: TimeArray
    form: TimestampFormat
    warnings: tuple[str, ...] = ()


def refuse(raw: Sequence[RawTime], index: int, path: Path, why: str) -> NoReturn:
    """Raise InvalidTimestamps at one element of the column at ``path``."""
    value = raw[index]
    shown = repr(value[:60] if isinstance(value, str) else value)
    raise InvalidTimestamps.at((*path, index), f"{shown} cannot be used as a time: {why}")


def refuse_first(raw: Sequence[RawTime], wrong: Iterable[object], path: Path, why: str) -> None:
    """Raise InvalidTimestamps at the first element of the column that is wrong, if there is one."""
    for index, is_wrong in enumerate(wrong):
        if is_wrong:
            refuse(raw, index, path, why)


def match_all(regex: re.Pattern[str], texts: Sequence[str], path: Path, why: str) -> list[re.Match[str]]:
    """Match all texts. Raises InvalidTimestamps at the first that does not match."""
    matches = [match for text in texts if (match := regex.fullmatch(text))]
    if len(matches) < len(texts):
        refuse_first(texts, (not regex.fullmatch(text) for text in texts), path, why)
    return matches


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
    refuse(raw, int(np.argmax(outside)), path, f"it is not {shown}, or lies outside {YEARS}")
