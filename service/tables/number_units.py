"""Units of numbers in a CSV file: $892.85, 8.93%, 1.234,50 EUR, (5.00) for a negative amount."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

UNIT_MARKS = " \u00a0\u202f%\u2030$\u20ac\u00a3\u00a5"
"""Signs of units, and the blanks next to them."""

_CURRENCIES = "US\\$|R\\$|[$\u20ac\u00a3\u00a5\u20b9\u20a9]|USD|EUR|GBP|CHF|JPY|CNY|INR|kr\\.?|z\u0142"
_SPACE = "[ \u00a0\u202f]?"
_NUMBER = "[0-9.,'\u2019 \u00a0\u202f]*[0-9][.,]?(?:[eE][+-]?[0-9]+)?"
_WITH_UNIT = re.compile(
    rf"(?P<open>\()?(?P<sign>[+\u2212-]?)(?P<before>{_CURRENCIES})?{_SPACE}(?P<inner>[+\u2212-]?)(?P<number>{_NUMBER})"
    rf"{_SPACE}(?P<after>%|\u2030|{_CURRENCIES})?(?P<trailing>-?)(?P<close>\))?"
)


class WithoutUnits(NamedTuple):
    """Cells without their unit, and the unit, "" if they have none."""

    cells: list[str]
    unit: str


def without_units(cells: Sequence[str], missing: frozenset[str]) -> WithoutUnits | None:
    """Return the cells as plain numbers, or None if some are no numbers, or if they do not all have the same unit.

    A zero needs no unit. missing: lower-case cells that stand for a missing value.
    """
    units: set[str] = set()
    plain: list[str] = []
    for cell in cells:
        if cell.lower() in missing:
            plain.append(cell)
            continue
        match = _WITH_UNIT.fullmatch(cell)
        if match is None or (match["open"] is None) != (match["close"] is None) or (match["before"] and match["after"]):
            return None
        if unit := match["before"] or match["after"]:
            units.add(unit)
        elif set(match["number"]) & set("123456789"):
            units.add("")
        signs = "".join(filter(None, (match["open"], match["sign"], match["inner"], match["trailing"])))
        if len(signs) > 1:
            return None
        plain.append(("-" if signs in ("(", "-", "\u2212") else "") + match["number"].strip())
    return WithoutUnits(plain, next(iter(units), "")) if len(units) <= 1 else None
