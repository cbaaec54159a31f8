"""Parse dates and months with month names in one of several languages: Jan 2024, 31. Januar 2024, May 31, 2024."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.errors import Path
from service.forecasting.series.parsed_times import ReadTimes, from_pattern, refuse
from service.forecasting.series.time_format import TimeForm
from service.tables.month_names import ALL_NAMES, LANGUAGES, are_full, full_name, language_of, month_of, short_name

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


def read_named_months(texts: Sequence[str], path: Path) -> ReadTimes | None:
    """Parse a column of dates or months with month names; return None if the first text is not one.

    Raises InvalidTimestamps at a text that has another format or is in another language.
    """
    if _SHORT_YEAR.fullmatch(texts[0]):
        refuse(texts, 0, path, "the year must have four digits, or give date_format (such as %b-%y for Jan-24)")
    layout = next((place for place, one in enumerate(_LAYOUTS) if one.fullmatch(texts[0])), None)
    if layout is None:
        return None
    parts: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        match = _LAYOUTS[layout].fullmatch(text)
        part = match.groupdict() if match else {}
        if not part or not _same_layout(part, parts[0] if parts else part):
            refuse(texts, index, path, "expected the form of the rows before it")
        parts.append(part)
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
    return ReadTimes(times, TimeForm(pattern, padded=padded, language=language))


def _same_layout(one: dict[str, Any], other: dict[str, Any]) -> bool:
    space, others = (str(part["space"]).removeprefix(".") for part in (one, other))
    return space == others and one.get("gap") == other.get("gap")


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


def with_language(read: ReadTimes, language: str) -> ReadTimes:
    """Return times whose format writes month names in a language."""
    return replace(read, form=replace(read.form, language=language))
