"""Which column of a table is what, as far as its name and its cells tell: the one list for server, client and page."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from service.tables.month_names import ALL_NAMES

ITEM, TARGET = "unique_id", "y"
"""As the field's libraries call the column that tells items apart, and the one to forecast."""

TIME_NAMES = (
    *("ds", "date", "dates", "datetime", "time", "timestamp", "timestamps"),
    *("datum", "zeit", "zeitpunkt", "zeitstempel", "datumzeit", "datumuhrzeit"),
    *("fecha", "fechahora", "horodatage", "dateheure", "datahora", "dataora", "tijd", "tijdstip"),
)
"""Names of columns that have times, and nothing but times."""
PERIOD_NAMES = (
    *("year", "quarter", "month", "week", "day", "hour", "period", "yearmonth", "calendarweek"),
    *("jahr", "quartal", "monat", "woche", "tag", "stunde", "periode", "kw", "kalenderwoche"),
    *("annee", "trimestre", "mois", "semaine", "jour", "heure"),
    *("ano", "mes", "semana", "dia", "hora", "periodo"),
    *("anno", "mese", "settimana", "giorno", "ora"),
    *("jaar", "kwartaal", "maand", "dag", "uur"),
)
"""Names of columns that have times (2024-01, 2024), or parts of times (month 1 to 12), and no values to forecast."""
UNSURE_NAMES = ("data", "index")
"""Names of columns that may have times or values: their cells decide."""

CELLS_TRIED = 20
"""So many cells from the first on tell what a column holds."""

_MONTHS = f"(?:{'|'.join(map(re.escape, ALL_NAMES))})"
TIME_SHAPES = (
    r"[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}(?:[T ].*)?",
    r"[0-9]{1,2}([-/.])[0-9]{1,2}\1(?:[0-9]{2}|[0-9]{4})(?:[T ].*)?",
    r"[0-9]{4}[-/][0-9]{1,2}",
    r"(?:0?[1-9]|1[0-2])[-/][0-9]{4}",
    r"(?:0[1-9]|1[0-2])\.(?:19|20)[0-9]{2}",
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])",
    r"[0-9]{4}[- ]?M[0-9]{1,2}",
    r"[0-9]{4}[-/ ]?Q[1-4]",
    r"Q[1-4][-/. ][0-9]{4}",
    r"[0-9]{4}[- ]?W[0-9]{1,2}",
    rf"(?:[0-9]{{1,2}}(?:\. ?|[ /-]| de |))?{_MONTHS}\.?(?: de | del |[ /-]|)(?:[0-9]{{2}}|[0-9]{{4}})",
    rf"[0-9]{{4}}[ /-]?{_MONTHS}\.?",
    rf"{_MONTHS}\.? [0-9]{{1,2}},? [0-9]{{4}}",
)
"""What a whole cell with a time looks like, as regular expressions of Python and JavaScript, letters of either case.

A number that may as well be a value (1.5, 2024, 2024.05) has none of these shapes.
"""
YEAR_SHAPE = r"(?:1[6-9]|2[0-2])[0-9]{2}(?:0[1-9]|1[0-2])?"
"""What a year, or a year with its month, looks like in a column whose name is one of periods."""

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
    """Return what a name tells of times, without regard to case, accents, blanks and marks: Date_Time is datetime."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(one))
    return _ROLES.get(_WORDS.sub("", plain))


def look_like_times(cells: Sequence[str]) -> bool:
    """Return whether the first cells all have the same one of `TIME_SHAPES`; empty ones do not count."""
    known = [cell for cell in cells[:CELLS_TRIED] if cell]
    return bool(known) and any(all(shape.fullmatch(cell) for cell in known) for shape in _TIME)


def look_like_years(cells: Sequence[str]) -> bool:
    """Return whether the first cells are years, or years with months: numbers that only a name makes times of."""
    known = [cell for cell in cells[:CELLS_TRIED] if cell]
    return bool(known) and all(_YEAR.fullmatch(cell) for cell in known)


def says_time(name: str, cells: Sequence[str]) -> bool:
    """Return whether name or cells say that a column has times or parts of times: it is no target by default."""
    return role_of_name(name) in ("time", "period") or look_like_times(cells)
