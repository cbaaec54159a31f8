"""Parse a column of dates or of periods: calendar dates, months, quarters, ISO weeks, with or without names of months.

The result of all parsers, and the steps that they share, are here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from service.errors import AmbiguousDates, InvalidTimestamps, Path
from service.forecasting.series.time_format import OFFSET_PATTERN, RawTime, TimeArray, TimestampFormat, minutes_of
from service.tables.month_names import ALL_NAMES, LANGUAGES, are_full, full_name, language_of, month_of, short_name

# The whole years that nanoseconds since 1970 can represent, with a margin for any offset from UTC.
FIRST, LAST = np.datetime64("1678-01-01", "ns"), np.datetime64("2262-01-01", "ns")
YEARS = "the years 1678 to 2261"

_DATE = re.compile(
    r"(?P<first>[0-9]{1,4})(?P<separator>[-/.])(?P<second>[0-9]{1,2})(?P=separator)(?P<third>[0-9]{1,4})"
    r"(?:(?P<mark>[T ])(?P<clock>[0-9]{2}:[0-9]{2}(?P<seconds>:[0-9]{2}(?:\.(?P<fraction>[0-9]{1,9}))?)?))?"
    rf"(?P<offset>{OFFSET_PATTERN})?"
)
KNOWN_FORMS = (
    "2024-01-31, 31.01.2024, 2024-01, 01.2024, Jan 2024, 2024Q1, 2024-W05, 2024, 20240131, 2024-01-31T12:00:00Z or "
    "seconds since 1970; for another form give date_format (such as %d.%m.%y for 31.01.24, %m/%y for 01/24)"
)
_FOUR_DIGITS = (
    "the year must have four digits and stand at the same end in all rows, or give date_format (such as %d.%m.%y)"
)
_ROWS_BEFORE = " of the rows before it"

# The regular expressions of a pattern's directives. A month after a point needs two digits: 2024.1 may be a January or
# an October.
_PARTS = {"Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{1,2}", "q": "[1-4]", "G": "[0-9]{4}", "V": "[0-9]{1,2}"}
_TWO_DIGITS = "%Y.%m"
_PERIODS = (
    *("%Y-%m", "%Y/%m", _TWO_DIGITS, "%m.%Y", "%m/%Y", "%m-%Y", "%YM%m", "%Y-M%m", "%Y M%m"),
    *("%YQ%q", "%Y-Q%q", "%Y Q%q", "%Y/Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y", "Q%q.%Y"),
    *("%G-W%V", "%GW%V", "%G W%V"),
)

_NAME = f"(?P<name>{'|'.join(map(re.escape, ALL_NAMES))})"
_LAYOUTS = tuple(
    re.compile(layout, re.IGNORECASE)
    for layout in (
        rf"(?:(?P<day>[0-9]{{1,2}})(?P<gap>\. ?|[ /-]| de |))?"
        rf"{_NAME}(?P<space>\.?(?: de | del |[ /-]|))(?P<year>[0-9]{{4}})",
        rf"(?P<year>[0-9]{{4}})(?P<space>[ /-]?){_NAME}\.?",
        rf"{_NAME}(?P<space>\.? )(?P<day>[0-9]{{1,2}})(?P<gap>, ?| )(?P<year>[0-9]{{4}})",
    )
)
_TEMPLATES = ("{day}{gap}{name}{space}{year}", "{year}{space}{name}", "{name}{space}{day}{gap}{year}")
_NO_DAY = {"day": "", "gap": ""}
_SHORT_YEAR = re.compile(rf"{_NAME}\.?[ /'-]*[0-9]{{2}}", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")


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


def to_utc(
    local: TimeArray, offsets: Sequence[str | None], form: TimestampFormat, raw: Sequence[RawTime], path: Path
) -> ReadTimes:
    """Convert local times to UTC: one common offset is kept in the format, mixed ones become UTC with a warning."""
    found = set(offsets)
    if found == {None}:
        return ReadTimes(local, form)
    if None in found:
        mixed = ((offset is None) != (offsets[0] is None) for offset in offsets)
        refuse_first(raw, mixed, path, "some times have an offset from UTC and some have none; give all or none")
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


def read_dates(texts: Sequence[str], path: Path) -> ReadTimes:
    """Parse a column of dates. Raises InvalidTimestamps, and AmbiguousDates if no row distinguishes day from month."""
    dates = match_all(_DATE, texts, path, f"expected {KNOWN_FORMS}")
    year_first = len(dates[0]["first"]) == 4
    year, other = ("first", "third") if year_first else ("third", "first")
    refuse_first(texts, (len(one[year]) != 4 or len(one[other]) > 2 for one in dates), path, _FOUR_DIGITS)
    separator = dates[0]["separator"]
    others = (one["separator"] != separator for one in dates)
    refuse_first(texts, others, path, f"the rows before it are written with {separator!r}")
    order = "Ymd" if year_first else _order_of(dates, texts, path)
    year, month, day = (("first", "second", "third")[order.index(letter)] for letter in "Ymd")
    days = [f"{one[year]}-{one[month]:0>2}-{one[day]:0>2}" for one in dates]
    iso = [f"{text}T{clock}" if (clock := one["clock"]) else text for text, one in zip(days, dates, strict=True)]
    local = from_pattern(iso, "ISO8601", texts, path)
    return to_utc(local, [one["offset"] for one in dates], _form_of(dates, order), texts, path)


def _order_of(dates: Sequence[re.Match[str]], texts: Sequence[str], path: Path) -> str:
    """Decide between day-first and month-first by a row that only one of them allows."""
    day_first = next((i for i, one in enumerate(dates) if int(one["first"]) > 12), None)
    month_first = next((i for i, one in enumerate(dates) if int(one["second"]) > 12), None)
    if day_first is not None and month_first is not None:
        later = max(day_first, month_first)
        refuse(texts, later, path, "its day and month are in the opposite order to those of other rows")
    if day_first is not None or month_first is not None:
        return "mdY" if day_first is None else "dmY"
    cures = " or ".join(dates[0]["separator"].join(f"%{letter}" for letter in order) for order in ("dmY", "mdY"))
    raise AmbiguousDates.at(
        (*path, 0),
        f"{texts[0]!r} can be read with the day or with the month first, and no other row settles it: "
        f"give date_format (such as {cures})",
    )


def _form_of(dates: Sequence[re.Match[str]], order: str) -> TimestampFormat:
    """Return the finest format that occurs in the column."""
    pattern = dates[0]["separator"].join(f"%{letter}" for letter in order)
    mark = next((one["mark"] for one in dates if one["mark"]), None)
    if mark:
        seconds = ":%S" if any(one["seconds"] for one in dates) else ""
        pattern = f"{pattern}{mark}%H:%M{seconds}"
    fraction = max(len(one["fraction"] or "") for one in dates)
    padded = all(1 not in map(len, one.group("first", "second", "third")) for one in dates)
    return TimestampFormat(pattern, fraction, padded=padded)


def read_periods(texts: Sequence[str], path: Path) -> ReadTimes | None:
    """Parse years with months, quarters or ISO weeks: 01.2024, 2024/01, 2024M01, 2024Q1, 2024-W05.

    Returns None if the first text is none of them. Raises InvalidTimestamps at a text that has another format.
    """
    pattern = next((one for one in _PERIODS if _regex(one).fullmatch(texts[0])), None)
    if pattern is None:
        return None
    if any(letter in texts[0] for letter in "qmw"):
        pattern = re.sub("[QMW](?=%)", lambda match: match[0].lower(), pattern)
    return read_parts(texts, pattern, path, _ROWS_BEFORE)


def read_parts(texts: Sequence[str], pattern: str, path: Path, whose: str = "") -> ReadTimes:
    """Parse texts with a pattern of year and month, quarter (%q) or ISO week (%G and %V), each as its first day.

    Raises InvalidTimestamps at a text that does not match.
    """
    matches = match_all(_regex(pattern), texts, path, f"expected the form {pattern!r}{whose}")
    parts = [match.groupdict() for match in matches]
    days = [_first_day(part) for part in parts]
    refuse_first(texts, (day is None for day in days), path, "there is no such ISO week")
    times = from_pattern([str(day) for day in days], "%Y-%m-%d", texts, path)
    padded = all(len(part.get("m") or part.get("V") or "00") == 2 for part in parts)
    return ReadTimes(times, TimestampFormat(pattern, padded=padded))


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    # A pattern that `fault_of_pattern` has accepted contains each directive once.
    parts = _PARTS | {"m": "[0-9]{2}"} if pattern == _TWO_DIGITS else _PARTS
    pieces = re.split(r"%(.)", pattern)
    written = [
        f"(?P<{piece}>{parts[piece]})" if place % 2 and piece in parts else re.escape(piece)
        for place, piece in enumerate(pieces)
    ]
    return re.compile("".join(written), re.ASCII | re.IGNORECASE)


def _first_day(part: dict[str, str]) -> str | None:
    if "V" in part:
        try:
            return date.fromisocalendar(int(part["G"]), int(part["V"]), 1).isoformat()
        except ValueError:
            return None
    month = 3 * int(part["q"]) - 2 if "q" in part else int(part["m"])
    # The same two-digit years as in strptime.
    year = part.get("Y") or f"{'19' if part['y'] >= '69' else '20'}{part['y']}"
    return f"{year}-{month:02}-01"


def read_named_months(texts: Sequence[str], path: Path) -> ReadTimes | None:
    """Parse dates or months with month names in one of several languages: Jan 2024, 31. Januar 2024, May 31, 2024.

    Returns None if the first text is not one. Raises InvalidTimestamps at a text that has another format or is in
    another language.
    """
    if _SHORT_YEAR.fullmatch(texts[0]):
        refuse(texts, 0, path, "the year must have four digits, or give date_format (such as %b-%y for Jan-24)")
    layout = next((place for place, one in enumerate(_LAYOUTS) if one.fullmatch(texts[0])), None)
    if layout is None:
        return None
    other_form = f"expected the form{_ROWS_BEFORE}"
    parts = [match.groupdict() for match in match_all(_LAYOUTS[layout], texts, path, other_form)]
    refuse_first(texts, (_gaps(part) != _gaps(parts[0]) for part in parts), path, other_form)
    names = {part["name"] for part in parts}
    language = language_of(names)
    if language is None:
        odd = next(i for i in range(len(parts)) if language_of({part["name"] for part in parts[: i + 1]}) is None)
        refuse(texts, odd, path, "the name of its month is of another language than those in the rows before it")
    iso = [f"{one['year']}-{month_of(one['name'], language):02}-{one.get('day') or '01':0>2}" for one in parts]
    times = from_pattern(iso, "%Y-%m-%d", texts, path)
    # An abbreviation may be followed by a point in some rows only: mai 2024, janv. 2024.
    first = max(parts, key=lambda part: part["space"].startswith("."))
    directives = {"day": "%d", "name": "%B" if are_full(names, language) else "%b", "year": "%Y"}
    pattern = _TEMPLATES[layout].format(**{"gap": "", **first, **directives} | ({} if first.get("day") else _NO_DAY))
    padded = all(len(part.get("day") or "00") == 2 for part in parts)
    return ReadTimes(times, TimestampFormat(pattern, padded=padded, language=language))


def _gaps(part: dict[str, Any]) -> tuple[str, str | None]:
    """Return what stands between the parts of a date, without the point of an abbreviation."""
    return part["space"].removeprefix("."), part.get("gap")


def in_english(texts: Sequence[str], date_format: str) -> tuple[Sequence[str], str]:
    """Return texts with English month names, as strptime expects for ``date_format``, and the original language."""
    known = set(ALL_NAMES)
    names = {word for text in texts for word in _WORD.findall(text) if word.lower() in known}
    language = language_of(names) or LANGUAGES[0]
    name_of = full_name if "%B" in date_format else short_name
    try:
        english = {name: name_of(month_of(name, language), LANGUAGES[0]) for name in names}
    except KeyError:
        # The names are of several languages: strptime refuses those that are not English.
        return texts, LANGUAGES[0]
    return [_WORD.sub(lambda match: english.get(match[0], match[0]), text) for text in texts], language
