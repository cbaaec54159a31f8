"""Rows of an exported table that are not of its data: units below the header, and a total at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNIT_SHAPE = "|".join(
    (
        r"\(.*\)|\[.*\]|%|\u2030|[$\u20ac\u00a3\u00a5\u20b9\u20a9]|USD|EUR|GBP|CHF|JPY|CNY|INR|kr\.?|z\u0142",
        r"[kMGT]?Wh?|[kMG]?VA|[kM]?V|m?A|Hz|\u00b0 ?[CFK]?|K|h?Pa|m?bar|W/m[2\u00b2]",
        r"[kcm]?m|[kc]?m[23\u00b2\u00b3]|ha|m/s|km/h|mph|m?l|[km]?g|t|h|min|s|ms|days?|pcs\.?|units?|St\u00fcck|Stk\.?",
        r"Tsd\.?|Mio\.?|(?:YYYY|JJJJ)-MM-(?:DD|TT)(?:.HH:MM(?::SS)?)?|(?:DD|TT)[./]MM[./](?:YYYY|JJJJ)|UTC",
    )
)
"""The format of a cell with a unit, as a regular expression of Python and JavaScript, case-insensitive."""
TOTAL_SHAPE = (
    r"(?:(?:grand )?totals?|sums?|summe|gesamt(?:summe)?|insgesamt|somme|total g[e\u00e9]n[e\u00e9]ral|totale|suma"
    r"|totaal|\u0438\u0442\u043e\u0433\u043e|\u0432\u0441\u0435\u0433\u043e|\u5408\u8ba1) ?:?"
)
"""The format of the first cell of a row of totals, likewise."""

_UNIT = re.compile(UNIT_SHAPE, re.IGNORECASE)
_TOTAL = re.compile(TOTAL_SHAPE, re.IGNORECASE)


def are_units(cells: Sequence[str]) -> bool:
    """Return whether the cells of a row that are not empty are all units."""
    known = [cell.strip() for cell in cells if cell.strip()]
    return bool(known) and all(_UNIT.fullmatch(cell) for cell in known)


def ends_with_total(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first cell of the last row that is not empty says total, unlike this cell in other rows."""
    place = next((place for place, cell in enumerate(rows[-1]) if cell.strip()), None)
    if place is None or not _TOTAL.fullmatch(rows[-1][place].strip()):
        return False
    return not any(_TOTAL.fullmatch(row[place].strip()) for row in rows[:-1])
