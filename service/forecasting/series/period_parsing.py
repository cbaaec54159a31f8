"""Parse periods and names of months: 01.2024, 2024/01, 2024M01, 2024Q1, 2024-W05, Jan 2024, 31. Januar 2024."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from service.errors import Path
from service.forecasting.series.time_format import (
    ReadTimes,
    TimestampFormat,
    from_pattern,
    match_all,
    refuse,
    refuse_first,
)
from service.tables.month_names import ALL_NAMES, LANGUAGES, are_full, language_of, month_name, month_of

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
    full = "%B" in date_format
    try:
        english = {name: month_name(month_of(name, language), LANGUAGES[0], full) for name in names}
    except KeyError:
        # The names are of several languages: strptime refuses those that are not English.
        return texts, LANGUAGES[0]
    return [_WORD.sub(lambda match: english.get(match[0], match[0]), text) for text in texts], language
