"""Parse periods and names of months: 01.2024, 2024M01, 2024Q1, 2024-W05, 1999/2000, Jan 2024, 31. Januar 2024."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import AmbiguousDates, Path
from service.forecasting.series.time_format import (
    ReadTimes,
    TimeArray,
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
_PARTS |= {"h": "[12]", "N": "[0-9]{4}", "n": "[0-9]{2}", "u": "[1-7]"}
_TWO_DIGITS = "%Y.%m"
_PERIODS = (
    *("%Y-%m", "%Y/%m", _TWO_DIGITS, "%m.%Y", "%m/%Y", "%m-%Y", "%YM%m", "%Y-M%m", "%Y M%m"),
    *("%Y\u5e74%m\u6708", "%Y\ub144 %m\uc6d4"),
    *(
        "%YQ%q",
        "%YQ0%q",
        "%Y-Q0%q",
        "%Y-Q%q",
        "%Y Q%q",
        "%Y/Q%q",
        "Q%q %Y",
        "Q%q-%Y",
        "Q%q/%Y",
        "Q%q.%Y",
        "Q%q%Y",
        "%qQ%Y",
        "%qQ %Y",
        "%qQ-%Y",
    ),
    *("Q%q %y", "Q%q-%y", "Q%q/%y", "Q%q'%y", "Q%q '%y", "%qQ%y", "%qQ %y", "%qQ-%y", "%qQ'%y"),
    *("%YH%h", "%Y-H%h", "%Y H%h", "H%h %Y", "H%h-%Y", "H%h/%Y", "%YS%h", "%Y-S%h", "S%h %Y"),
    *("%G-W%V", "%GW%V", "%G W%V", "%G-W%V-%u", "%GW%V%u", "W%V %G", "W%V-%G", "W%V/%G", "Week %V %G", "Week %V, %G"),
    *("KW%V %G", "KW %V %G", "KW%V/%G", "KW %V/%G"),
    *("%Y/%N", "%Y-%N", "FY%Y", "FY %Y", "FY%y", "FY%Y/%n"),
)
# 2001/02 may also be February 2001: only if it holds for several rows.
_YEARS = ("%Y/%n", "%Y-%n")

_NAME = f"(?P<name>{'|'.join(map(re.escape, ALL_NAMES))})"
_LAYOUTS = tuple(
    re.compile(layout, re.IGNORECASE)
    for layout in (
        rf"(?:(?P<day>[0-9]{{1,2}})(?P<gap>\. ?|[ /-]| de |))?"
        rf"{_NAME}(?P<space>\.?(?: de | del |[ /-]|))(?P<year>[0-9]{{4}})",
        rf"(?:(?P<day>[0-9]{{1,2}})(?P<gap>[ -]?))?{_NAME}(?P<space>\.?[ /-]?'?)(?P<year>[0-9]{{2}})",
        rf"(?P<year>[0-9]{{4}})(?P<space>[ /-]?){_NAME}\.?",
        rf"{_NAME}(?P<space>\.? )(?P<day>[0-9]{{1,2}})(?P<gap>, ?| )(?P<year>[0-9]{{4}})",
    )
)
_TEMPLATES = (
    "{day}{gap}{name}{space}{year}",
    "{day}{gap}{name}{space}{year}",
    "{year}{space}{name}",
    "{name}{space}{day}{gap}{year}",
)
_NO_DAY = {"day": "", "gap": ""}
_WORD = re.compile(r"[^\W\d_]+")


def read_periods(texts: Sequence[str], path: Path) -> ReadTimes | None:
    """Parse years with months, quarters or ISO weeks: 01.2024, 2024/01, 2024M01, 2024Q1, 2024-W05.

    Returns None if the first text is none of them. Raises InvalidTimestamps at a text that has another format.
    """
    forms = _PERIODS if len(texts) == 1 else (*(one for one in _YEARS if _all_match(one, texts)), *_PERIODS)
    found = [(one, match) for one in forms if (match := _regex(one).fullmatch(texts[0]))]
    if not found:
        return None
    # 1999-00 is no month. If it is nothing else, the error says so.
    pattern, match = next((one for one in found if _first_day(one[1])), found[0])
    return read_parts(texts, _as_written(pattern, match), path, _ROWS_BEFORE)


def _all_match(pattern: str, texts: Sequence[str]) -> bool:
    return all((match := _regex(pattern).fullmatch(text)) and _first_day(match) for text in texts)


def _as_written(pattern: str, match: re.Match[str]) -> str:
    """Return a pattern with the case of the letters that a text which matches it has."""
    place, text = 0, ""
    for directive in re.findall("%(.)", pattern):
        start, end = match.span(directive)
        text, place = f"{text}{match.string[place:start]}%{directive}", end
    return text + match.string[place:]


def read_parts(texts: Sequence[str], pattern: str, path: Path, whose: str = "") -> ReadTimes:
    """Parse texts with a pattern of year and month, quarter (%q) or ISO week (%G and %V), each as its first day.

    Raises InvalidTimestamps at a text that does not match.
    """
    matches = match_all(_regex(pattern), texts, path, f"expected the form {pattern!r}{whose}")
    days = [_first_day(match) for match in matches]
    refuse_first(texts, (day is None for day in days), path, "there is no such month or week, or no such pair of years")
    times = from_pattern([str(day) for day in days], "%Y-%m-%d", texts, path)
    parts = [match.groupdict() for match in matches]
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


def _first_day(match: re.Match[str]) -> str | None:
    """Return the first day of a period, or None if there is no such week, or no such pair of years."""
    part = match.groupdict()
    if "V" in part:
        try:
            return date.fromisocalendar(int(part["G"]), int(part["V"]), int(part.get("u", 1))).isoformat()
        except ValueError:
            return None
    year = part.get("Y") or _full_year(part["y"])
    following = str(int(year) + 1)
    if part.get("N", following) != following or part.get("n", following[2:]) != following[2:]:
        return None
    if "q" in part:
        month = 3 * int(part["q"]) - 2
    elif "h" in part:
        month = 6 * int(part["h"]) - 5
    else:
        month = int(part.get("m", 1))
    return f"{year}-{month:02}-01" if 1 <= month <= 12 else None


def _full_year(year: str) -> str:
    """Return a year of two digits as strptime reads it."""
    return f"{'19' if year >= '69' else '20'}{year}"


def read_named_months(texts: Sequence[str], path: Path) -> ReadTimes | None:
    """Parse dates or months with month names in one of several languages: Jan 2024, 31. Januar 2024, May 31, 2024.

    Returns None if the first text is not one. Raises InvalidTimestamps at a text that has another format or is in
    another language.
    """
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
    has_short_years = len(parts[0]["year"]) == 2
    years = [_full_year(one["year"]) if has_short_years else one["year"] for one in parts]
    months = [month_of(one["name"], language) for one in parts]
    iso = [
        f"{year}-{month:02}-{one.get('day') or '01':0>2}" for year, month, one in zip(years, months, parts, strict=True)
    ]
    times = from_pattern(iso, "%Y-%m-%d", texts, path)
    if has_short_years:
        _refuse_short_years(texts, times, parts, path)
    # An abbreviation may be followed by a point in some rows only: mai 2024, janv. 2024.
    first = max(parts, key=lambda part: part["space"].startswith("."))
    directives = {
        "day": "%d",
        "name": "%B" if are_full(names, language) else "%b",
        "year": "%y" if has_short_years else "%Y",
    }
    pattern = _TEMPLATES[layout].format(**{"gap": "", **first, **directives} | ({} if first.get("day") else _NO_DAY))
    padded = all(len(part.get("day") or "00") == 2 for part in parts)
    return ReadTimes(times, TimestampFormat(pattern, padded=padded, language=language))


def _refuse_short_years(texts: Sequence[str], times: TimeArray, parts: Sequence[dict[str, Any]], path: Path) -> None:
    """Raise AmbiguousDates if a number of two digits may be a year or a day of the month."""
    if parts[0].get("day"):
        # 15-Jan-01 and 15-Jan-02 are a year apart, or a day.
        swapped = [one["year"] for one in parts]
        days = [one["day"] for one in parts]
        if len(set(days)) == 1 < len(set(swapped)) and all("01" <= one <= "31" for one in swapped):
            cure = "give date_format (%d-%b-%y if it ends with the year, %y-%b-%d if it starts with it)"
            raise AmbiguousDates.at((*path, 0), f"{texts[0]!r} can start or end with the year: {cure}")
        return
    months: NDArray[np.int64] = times.astype("datetime64[M]").astype(np.int64)
    steps = np.diff(months)
    in_order = len(steps) > 0 and (np.all(steps > 0) or np.all(steps < 0))
    if not in_order or np.all(steps % 12 == 0):
        cure = "give date_format (%b-%y for Jan-24), or write the year with four digits"
        raise AmbiguousDates.at((*path, 0), f"the number in {texts[0]!r} can be a year or a day of the month: {cure}")


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
