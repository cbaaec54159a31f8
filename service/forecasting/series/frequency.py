"""Frequencies: one table from the pandas aliases of all versions to those that pandas uses today."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from service.errors import Path, UnknownFrequency

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

_WRITTEN = re.compile(r"([0-9]{0,19})([A-Za-z]+)(?:-([0-9A-Z]{1,4}))?")
DAY = 86_400 * 10**9
"""Nanoseconds of a day."""

_LONGEST_STEP = 200 * 366 * DAY


@dataclass(frozen=True)
class Frequency:
    """The meaning of a pandas alias.

    unit: finest part of a time that distinguishes consecutive rows, as a numpy unit, or Q.
    step: length in nanoseconds if it is constant, else None.
    anchors: months or weekdays that may follow the alias, the usual one first.
    season_length: rows in one season, or None if there is no natural one.
    """

    unit: str
    step: int | None
    anchors: tuple[str, ...]
    season_length: int | None


_FREQUENCIES = {
    **dict.fromkeys(("YE", "BYE"), Frequency("Y", None, ("DEC", *MONTHS[:11]), 1)),
    **dict.fromkeys(("YS", "BYS"), Frequency("Y", None, MONTHS, 1)),
    **dict.fromkeys(("QE", "BQE"), Frequency("Q", None, ("DEC", "NOV", "OCT"), 4)),
    **dict.fromkeys(("QS", "BQS"), Frequency("Q", None, ("JAN", "FEB", "MAR"), 4)),
    **dict.fromkeys(("ME", "MS", "BME", "BMS"), Frequency("M", None, (), 12)),
    "SMS": Frequency("D", None, ("15", *(str(day) for day in range(2, 28) if day != 15)), 24),
    "SME": Frequency("D", None, ("15", *(str(day) for day in range(1, 28) if day != 15)), 24),
    "WOM": Frequency("D", None, tuple(f"{week}{day}" for week in range(1, 5) for day in WEEKDAYS), 12),
    "LWOM": Frequency("D", None, WEEKDAYS, 12),
    "W": Frequency("W", 7 * DAY, ("SUN", *WEEKDAYS[:6]), 52),
    "B": Frequency("D", None, (), 5),
    "D": Frequency("D", DAY, (), 7),
    "h": Frequency("m", DAY // 24, (), 24),
    "min": Frequency("m", 60 * 10**9, (), 60),
    "s": Frequency("s", 10**9, (), 60),
    "ms": Frequency("ms", 10**6, (), None),
    "us": Frequency("us", 10**3, (), None),
    "ns": Frequency("ns", 1, (), None),
}

# The possible meanings of an alias, in order. The bare letters of old pandas named whole periods as well as their ends.
_MEANINGS = {name: (name,) for name in _FREQUENCIES} | {
    "M": ("ME", "MS"),
    "Q": ("QE", "QS"),
    "Y": ("YE", "YS"),
    "A": ("YE", "YS"),
    "AS": ("YS",),
    "BM": ("BME",),
    "BQ": ("BQE",),
    "BA": ("BYE",),
    "BY": ("BYE",),
    "BAS": ("BYS",),
    "SM": ("SME",),
    "H": ("h",),
    "T": ("min",),
    "S": ("s",),
    "L": ("ms",),
    "U": ("us",),
    "N": ("ns",),
    "d": ("D",),
    "b": ("B",),
    "w": ("W",),
}

COMMON = "YE, YS, QE, QS, ME, MS, W, W-MON, B, D, h, 15min, min, s"


def aliases_of(written: str, path: Path) -> tuple[str, ...]:
    """Return the current aliases that a given alias may mean, the usual one first.

    ``M`` may be month ends or month starts, ``W`` weeks that start on any day; ``W-TUE`` and ``ME`` mean only
    themselves. Raises UnknownFrequency at ``path``.
    """
    match = _WRITTEN.fullmatch(written.strip())
    count, name, anchor = match.groups() if match else ("", "", None)
    multiple = int(count or 1)
    meanings = _MEANINGS.get(name, ())
    if anchor is not None:
        allowed = MONTHS if name in ("QE", "QS", "BQE", "BQS", "Q", "BQ") else None
        aliases = [f"{one}-{anchor}" for one in meanings[:1] if anchor in (allowed or _FREQUENCIES[one].anchors)]
    else:
        aliases = [
            f"{meaning}-{one}" if one else meaning
            for meaning in meanings
            for one in _FREQUENCIES[meaning].anchors or ("",)
        ]
    if not aliases or (name in ("WOM", "LWOM") and anchor is None):
        raise UnknownFrequency.at(path, f"{written[:40]!r} is not a known frequency; common ones are {COMMON}")
    if not 0 < multiple * (_FREQUENCIES[meanings[0]].step or DAY) <= _LONGEST_STEP:
        raise UnknownFrequency.at(path, f"{written[:40]!r} is not a possible step: 0, or more than 200 years")
    return tuple(f"{'' if multiple == 1 else multiple}{alias}" for alias in aliases)


@lru_cache(maxsize=256)
def _parts(alias: str) -> tuple[int, str, Frequency]:
    match = _WRITTEN.fullmatch(alias)
    if match is None or match[2] not in _FREQUENCIES:
        raise ValueError(f"no current frequency alias: {alias[:40]!r}")
    return int(match[1] or 1), match[2], _FREQUENCIES[match[2]]


def is_current(alias: str) -> bool:
    """Return whether this is exactly an alias that `aliases_of` returns."""
    try:
        return alias in aliases_of(alias, ())
    except UnknownFrequency:
        return False


def name_of(freq: str) -> str:
    """Return a current alias without its multiple and anchor: W for 2W-MON."""
    return _parts(freq)[1]


def multiple_of(freq: str) -> int:
    """Return the multiple of a current alias: 2 for 2W-MON."""
    return _parts(freq)[0]


def step_of(freq: str) -> int | None:
    """Return the constant step of a current alias in nanoseconds, or None if steps differ (months)."""
    multiple, _, frequency = _parts(freq)
    return None if frequency.step is None else multiple * frequency.step


def unit_of(freq: str) -> str:
    """Return the finest part of a time that distinguishes consecutive rows: Y, Q, M, W, D, m, s, ms, us or ns."""
    return _parts(freq)[2].unit


def quarter_alias(name: str, month: int) -> str:
    """Return the usual alias of quarters that begin or end in a month (0 is January): QS-APR is QS-JAN."""
    return f"{name}-{next(anchor for anchor in _FREQUENCIES[name].anchors if MONTHS.index(anchor) % 3 == month % 3)}"


def alias_of_step(step: int, weekday: int) -> str:
    """Return the alias of a constant step in nanoseconds; ``weekday`` (0 is Monday) anchors weeks."""
    for name in ("W", "D", "h", "min", "s", "ms", "us", "ns"):
        length = _FREQUENCIES[name].step or 1
        if step % length == 0:
            count = "" if step == length else str(step // length)
            return f"{count}{name}-{WEEKDAYS[weekday]}" if name == "W" else f"{count}{name}"
    raise ValueError(f"no step: {step}")


def season_length_of(freq: str) -> int | None:
    """Return the rows in one natural season of a current alias, or None if there is none.

    A day for hours and for multiples of minutes, an hour for minutes, a week for days, a year for weeks, months,
    quarters and years.
    """
    step = step_of(freq)
    multiple, name, frequency = _parts(freq if step is None else alias_of_step(step, weekday=0))
    season = 24 * 60 if name == "min" and multiple > 1 else frequency.season_length
    if season is None or season % multiple:
        return None
    return season // multiple
