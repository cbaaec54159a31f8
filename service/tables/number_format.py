"""The format of numbers in the cells of a CSV file: the decimal mark, and the thousands separator.

The rules, in order of precedence; docs/index.md describes them for users:

1. The given options (``decimal``, ``thousands``) are used.
2. A column that can be read in only one way is read that way: 0.5, 12.25, 1,234.5; or 0,5, 12,25, 1.234,5.
3. If both ways are possible (all marks are followed by exactly three digits: 1.005), the columns that can be read in
   only one way decide, if they agree; columns of times do not count.
4. Else, if commas separate the columns, the point is the decimal mark, since the comma cannot be.
5. Else the column's own whole numbers decide: with 1234 in the column, 1.005 has no thousands separator; in a file
   with semicolons, with 998 in the column, 1.005 has one, and 1,005 without any whole number is a decimal.
6. Else AmbiguousNumbers is raised, and the caller must give the options.

Spaces and apostrophes as thousands separators (1 234,5; 1'234.5) are accepted with either decimal mark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from service.errors import AmbiguousNumbers, InvalidOption, InvalidSeries, Path
from service.tables.column_roles import says_time
from service.tables.number_units import UNIT_MARKS, WithoutUnits, without_units

PATH: Path = ("series",)
"""The path of a table in a request, for errors."""

MISSING = frozenset(
    (
        *("", "na", "n/a", "n.a.", "#n/a", "#div/0!", "nan", "null", "none", "nil", "missing"),
        *(".", "..", "...", "?", "-", "--", "\u2013", "\u2014", ":"),
    )
)
"""Cells, in lower case, without a value: as R, SAS, Excel, databases and statistics offices write them."""
DECIMAL_MARKS = {".": ".", ",": ",", "point": ".", "comma": ","}
THOUSANDS_MARKS = {**DECIMAL_MARKS, " ": " ", "'": "'", "\u2019": "'", "space": " ", "apostrophe": "'"}

_CHARACTERS = {".": ".", ",": ",", " ": " \u00a0\u202f", "'": "'\u2019"}
_BOUND = re.compile("[<>\u2264\u2265]=? ?[0-9.,]+")
_WHOLE = re.compile(r"[+-]?([0-9]+)")


@dataclass(frozen=True)
class Marks:
    """The decimal mark, and the accepted thousands separators, the usual one first; a cell uses only one."""

    decimal: str
    thousands: str

    @cached_property
    def _number(self) -> re.Pattern[str]:
        # No part of a cell can match in two ways: backtracking would take quadratic time in the length of the cell.
        point = f"[{self.decimal}]"
        groups = "|".join(f"(?:[{_CHARACTERS[mark]}][0-9]{{3}})+" for mark in self.thousands)
        plain = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        grouped = rf"[1-9][0-9]{{0,2}}(?:{groups})(?:{point}[0-9]*)?"
        return re.compile(rf"[+-]?(?:{plain}|{grouped})", re.ASCII)

    def first_no_number(self, cells: Sequence[str]) -> int | None:
        """Return the index of the first cell that is neither a number nor missing, or None."""
        number = self._number
        return next(
            (place for place, cell in enumerate(cells) if not number.fullmatch(cell) and cell.lower() not in MISSING),
            None,
        )

    def number(self, cell: str) -> float | None:
        """Return the number in a valid cell, or None if it is missing."""
        if cell.lower() in MISSING:
            return None
        return float(cell.translate(self._without_groups).replace(self.decimal, "."))

    @cached_property
    def _without_groups(self) -> dict[int, None]:
        return {ord(one): None for mark in self.thousands for one in _CHARACTERS[mark]}


_POINT, _COMMA = Marks(".", ", '"), Marks(",", ". '")


def is_number(cell: str) -> bool:
    """Return whether a cell contains a number with any marks."""
    return any(marks.first_no_number([cell]) is None for marks in (_POINT, _COMMA)) and cell.lower() not in MISSING


def possible_marks(separator: str, decimal: str | None, thousands: str | None) -> tuple[Marks, ...]:
    """Return the number formats that the options allow. Raises InvalidOption."""
    point = _given(decimal, DECIMAL_MARKS, "decimal", "point (.) or comma (,)", separator)
    comma = _given(thousands, THOUSANDS_MARKS, "thousands", "point, comma, space or apostrophe", separator)
    if point is not None and point == comma:
        raise InvalidOption.at(("thousands",), f"{comma!r} is the decimal mark too: the two must differ")
    both = [Marks(one.decimal, comma or one.thousands) for one in (_POINT, _COMMA)]
    return tuple(one for one in both if one.decimal == (point or one.decimal) and one.decimal not in one.thousands)


def _given(mark: str | None, known: Mapping[str, str], option: str, choices: str, separator: str) -> str | None:
    if mark is None:
        return None
    if mark not in known:
        raise InvalidOption.at((option,), f"{mark[:20]!r} is not a known mark: use {choices}")
    if known[mark] == separator:
        cure = 'leave it out (quoted cells such as "1,005" are read as 1005), or give separator'
        raise InvalidOption.at((option,), f"{known[mark]!r} separates the columns of this file: {cure}")
    return known[mark]


@dataclass(frozen=True)
class NumberReader:
    """Parses the numbers in the columns of a file.

    columns: stripped cells by name; lines: the line of each row in the file; separator: of the columns; possible: see
    `possible_marks`; warnings: about the file.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    separator: str
    possible: tuple[Marks, ...]
    warnings: tuple[str, ...] = ()
    _fitting: dict[str, tuple[Marks, ...]] = field(default_factory=dict)
    _plain: dict[str, WithoutUnits] = field(default_factory=dict)

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as numbers, None for cells that are empty, NA, NaN or null.

        Raises InvalidSeries naming line and column, AmbiguousNumbers if they can be read in two ways.
        """
        fitting = self._fitting_of(name)
        if not fitting:
            raise InvalidSeries.at(PATH, self._no_number(name))
        marks = fitting[0] if len(fitting) == 1 else self._settled(name)
        return [marks.number(cell) for cell in self._cells(name)]

    def has_numbers(self, name: str) -> bool:
        """Return whether a column contains nothing but numbers and missing cells."""
        return bool(self._fitting_of(name))

    def is_numeric(self, name: str) -> bool:
        """Return whether a column contains numbers, and nothing but numbers and missing cells."""
        return self.has_numbers(name) and any(cell.lower() not in MISSING for cell in self.columns[name])

    def _fitting_of(self, name: str) -> tuple[Marks, ...]:
        if name not in self._fitting:
            cells = self.columns[name]
            fitting = tuple(marks for marks in self.possible if marks.first_no_number(cells) is None)
            if not fitting and (plain := without_units(cells, MISSING)):
                fitting = tuple(marks for marks in self.possible if marks.first_no_number(plain.cells) is None)
                self._plain[name] = plain
            self._fitting[name] = fitting
        return self._fitting[name]

    def _cells(self, name: str) -> list[str]:
        """Return the cells of a column without units."""
        return self._plain[name].cells if name in self._plain else self.columns[name]

    def unit_of(self, name: str) -> str:
        """Return the unit that is left out of the numbers of a column, "" if there is none."""
        return self._plain[name].unit if self._fitting_of(name) and name in self._plain else ""

    def _settled(self, name: str) -> Marks:
        """Decide between point and comma as the decimal mark if both are possible."""
        cells = [cell for cell in self._cells(name) if cell.lower() not in MISSING]
        points, commas = any("." in cell for cell in cells), any("," in cell for cell in cells)
        if not (points or commas):
            return self.possible[0]
        elsewhere = self._decided_elsewhere
        if len(elsewhere) == 1:
            return next(iter(elsewhere))
        if self.separator == "," and not (points and commas):
            return _POINT
        if not elsewhere and not (points and commas):
            marks = self._by_whole_numbers(cells, "." if points else ",")
            if marks:
                return marks
        raise AmbiguousNumbers.at(("decimal",), self._two_ways(name))

    @cached_property
    def _decided_elsewhere(self) -> set[Marks]:
        fitting = [self._fitting_of(name) for name, cells in self.columns.items() if not says_time(name, cells)]
        return {one[0] for one in fitting if len(one) == 1}

    def _by_whole_numbers(self, cells: Sequence[str], mark: str) -> Marks | None:
        """Decide by the whole numbers without a mark: whether they are shorter than those that may have a separator."""
        shortest = min(sum(map(str.isdigit, cell)) for cell in cells if mark in cell)
        lengths = [len(match[1]) for cell in cells if (match := _WHOLE.fullmatch(cell))]
        shorter, longer = any(one < shortest for one in lengths), any(one >= shortest for one in lengths)
        decimal, between_thousands = (_POINT, _COMMA) if mark == "." else (_COMMA, _POINT)
        if longer and not shorter:
            return decimal
        if self.separator == ";" and mark == "." and shorter and not longer:
            return between_thousands
        return _COMMA if self.separator == ";" and mark == "," and not lengths else None

    def _two_ways(self, name: str) -> str:
        cells = enumerate(self._cells(name))
        row, cell = next((row, cell) for row, cell in cells if cell.lower() not in MISSING and set(".,") & set(cell))
        ways = " or ".join(
            f"{marks.number(cell):.15g} (decimal={'point' if marks.decimal == '.' else 'comma'})"
            for marks in (_POINT, _COMMA)
        )
        return f"line {self.lines[row]}, column {name[:60]!r}: {cell!r} can be read as {ways}: give decimal"

    def _no_number(self, name: str) -> str:
        cells = self.columns[name]
        # The format that parses the most rows is most likely the intended one.
        reached = {marks: marks.first_no_number(cells) or 0 for marks in self.possible}
        marks, row = max(reached.items(), key=lambda one: one[1])
        example = f"1234{marks.decimal}5 or 1{marks.thousands[0]}234{marks.decimal}5"
        cell = cells[row]
        detail = f"line {self.lines[row]}, column {name[:60]!r}: {cell[:60]!r} is not a number (like {example})"
        if _BOUND.fullmatch(cell):
            return f"{detail}: a bound is no value; write a number, such as 0, or leave the cell empty"
        if is_number(cell):
            return f"{detail}: write all numbers with one decimal mark (in Excel, as numbers and not as text)"
        bare = cell.strip(UNIT_MARKS)
        return f"{detail}: write {bare[:60]!r} alone, without a unit" if bare != cell and is_number(bare) else detail
