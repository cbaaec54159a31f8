"""Detect the role of a column from its name and cells: the same lists for server, client and web page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from service.tables.month_names import ALL_NAMES

ITEM, TARGET = "unique_id", "y"
"""The usual names in forecasting libraries of the column that identifies items, and of the column to forecast."""

TIME_NAMES = (
    *("ds", "date", "dates", "datetime", "time", "timestamp", "timestamps"),
    *("datum", "zeit", "zeitpunkt", "zeitstempel", "datumzeit", "datumuhrzeit", "uhrzeit"),
    *("fecha", "fechahora", "horodatage", "dateheure", "datahora", "dataora", "tijd", "tijdstip"),
)
"""Names of columns that contain nothing but times."""
PERIOD_NAMES = (
    *("year", "quarter", "month", "week", "day", "hour", "period", "yearmonth", "calendarweek"),
    *("jahr", "quartal", "monat", "woche", "tag", "stunde", "periode", "kw", "kalenderwoche"),
    *("annee", "trimestre", "mois", "semaine", "jour", "heure"),
    *("ano", "mes", "semana", "dia", "hora", "periodo"),
    *("anno", "mese", "settimana", "giorno", "ora"),
    *("jaar", "kwartaal", "maand", "dag", "uur"),
)
"""Names of columns of times (2024-01, 2024) or parts of times (month 1 to 12), which are never targets."""
UNSURE_NAMES = ("data", "index")
"""Names of columns that may contain times or values: their cells decide."""

_PARTS = {
    "year": ("year", "jahr", "annee", "ano", "anno", "jaar"),
    "quarter": ("quarter", "quartal", "trimestre", "kwartaal"),
    "month": ("month", "monat", "mois", "mes", "mese", "maand"),
    "week": ("week", "calendarweek", "woche", "kw", "kalenderwoche", "semaine", "semana", "settimana"),
    "day": ("day", "tag", "jour", "dia", "giorno", "dag"),
    "hour": ("hour", "stunde", "heure", "hora", "ora", "uur"),
    "minute": ("minute", "minuto", "minuut"),
    "period": ("period", "periode", "periodo"),
}

CELLS_TRIED = 20
"""The number of first cells from which the content of a column is detected."""

_DAY = r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}"
_MONTHS = f"(?:{'|'.join(map(re.escape, ALL_NAMES))})"
TIME_SHAPES = (
    r"[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}(?:[T ].*)?",
    r"[0-9]{1,2}([-/.])[0-9]{1,2}\1(?:[0-9]{2}|[0-9]{4})(?:[T ].*)?",
    rf"{_DAY} ?(?:[-/]|to|\u2013) ?{_DAY}",
    r"[0-9]{4}[-/][0-9]{1,2}",
    r"(?:0?[1-9]|1[0-2])[-/][0-9]{4}",
    r"(?:0[1-9]|1[0-2])\.(?:19|20)[0-9]{2}",
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])",
    r"[0-9]{4}[- ]?M[0-9]{1,2}",
    r"[0-9]{4}[-/ ]?Q[1-4]",
    r"Q[1-4][-/. ][0-9]{4}",
    r"[0-9]{4}[- ]?W[0-9]{1,2}(?:-?[1-7])?",
    r"(?:Q[1-4]|[1-4]Q)[-/ ]?'?(?:[0-9]{2}|[0-9]{4})",
    r"(?:[0-9]{4}[- ]?[HS][12]|[HS][12][-/ ][0-9]{4})",
    r"(?:Week|KW|W) ?[0-9]{1,2}[-/, ]{1,2}[0-9]{4}",
    r"(?:FY ?(?:[0-9]{2}|[0-9]{4})|(?:19|20)[0-9]{2}[/-](?:19|20)[0-9]{2})",
    r"[0-9]{8}[T _-][0-9]{4}.*",
    rf"(?:[0-9]{{1,2}}(?:\. ?|[ /-]| de |))?{_MONTHS}\.?(?: de | del |[ /-]|)'?(?:[0-9]{{2}}|[0-9]{{4}})",
    rf"[0-9]{{4}}[ /-]?{_MONTHS}\.?",
    rf"{_MONTHS}\.? [0-9]{{1,2}},? [0-9]{{4}}",
)
"""The formats of a whole cell with a time, as regular expressions of Python and JavaScript, case-insensitive.

A number that may be a value as well (1.5, 2024, 2024.05) matches none of them.
"""
YEAR_SHAPE = r"(?:1[6-9]|2[0-2])[0-9]{2}(?:0[1-9]|1[0-2])?"
"""The format of a year, or a year with its month, in a column whose name is one of `PERIOD_NAMES`."""

_TIME = tuple(re.compile(shape, re.IGNORECASE) for shape in TIME_SHAPES)
_YEAR = re.compile(YEAR_SHAPE)
_WORDS = re.compile(r"[\W_]+")

NameRole = Literal["time", "period", "unsure"]
_ROLES: dict[str, NameRole] = {
    **dict.fromkeys(TIME_NAMES, "time"),
    **dict.fromkeys(PERIOD_NAMES, "period"),
    **dict.fromkeys(UNSURE_NAMES, "unsure"),
}


def role_of_name(name: str) -> NameRole | None:
    """Return the role that a name suggests, ignoring case, accents, blanks and marks: Date_Time is datetime."""
    return _ROLES.get(_plain(name))


def part_of_name(name: str) -> str | None:
    """Return the part of a time that a name denotes: year, quarter, month, week, day, hour, minute or None."""
    plain = _plain(name)
    return next((part for part, names in _PARTS.items() if plain in names), None)


def _plain(name: str) -> str:
    letters = (one for one in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(one))
    return _WORDS.sub("", "".join(letters))


def look_like_times(cells: Sequence[str]) -> bool:
    """Return whether all first cells match the same one of `TIME_SHAPES`, ignoring empty cells."""
    known = [cell for cell in cells[:CELLS_TRIED] if cell]
    return bool(known) and any(all(shape.fullmatch(cell) for cell in known) for shape in _TIME)


def look_like_years(cells: Sequence[str]) -> bool:
    """Return whether the first cells are years, or years with months; such numbers are times only by name."""
    known = [cell for cell in cells[:CELLS_TRIED] if cell]
    return bool(known) and all(_YEAR.fullmatch(cell) for cell in known)


def fault_of_names(names: Sequence[str]) -> str | None:
    """Return the message about columns of numbers whose names are times, or None if most have other names."""
    times = [name for name in names if look_like_times([name]) or look_like_years([name])]
    if len(times) < max(2, len(names) / 2):
        return None
    detail = f"columns {times[0]!r} to {times[-1]!r} have times as their names: transpose the table"
    return f"{detail}, so that it has one row for each time, with a column of times (and one of items)"


def says_time(name: str, cells: Sequence[str]) -> bool:
    """Return whether name or cells suggest times or parts of times, so that the column is not a target by default."""
    return role_of_name(name) in ("time", "period") or look_like_times(cells)
