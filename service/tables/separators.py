"""Detect the character that separates the columns of a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from itertools import islice

from service.errors import InvalidOption

SEPARATORS = {",": ",", ";": ";", "\t": "\t", "comma": ",", "semicolon": ";", "tab": "\t"}

_CHOICES = ("\t", ";", ",")
"""The comma comes last: it may be a decimal mark, or part of a column name."""
_ROWS, _CHARACTERS = 21, 100_000
"""The number of rows, header included, and of characters from which the separator is detected."""
_LINE_OF_EXCEL = re.compile(r'\s*(?:"sep=(.)"|sep=(.))[,;\t]*(?=[\r\n])', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"?')

Fit = Callable[[list[str], list[str]], object]
"""Takes a row and the cells of the header; returns the row with as many cells, or None if it does not fit."""


def split_off_separator(text: str, given: str | None, fit: Fit) -> tuple[str, str]:
    """Return the separator, and the text without the line ``sep=;`` of Excel, whose line end is kept.

    given: the separator; if None it is detected by that line, else by the header and the first rows. Raises
    InvalidOption.
    """
    if given is not None and given not in SEPARATORS:
        raise InvalidOption.at(("separator",), f"{given[:20]!r} is no separator: use comma, semicolon or tab")
    line = _LINE_OF_EXCEL.match(text)
    named = (line[1] or line[2]) if line else None
    rest = text[line.end() :] if line and named in _CHOICES else text
    if given is not None:
        return SEPARATORS[given], rest
    return (named if rest is not text and named else _found(text, fit)), rest


def _found(text: str, fit: Fit) -> str:
    """Return the separator that splits the first rows like the header, else the most frequent one in the header."""
    samples = {separator: _first_rows(text, separator) for separator in _CHOICES}
    fitting = [
        separator
        for separator, (header, *rows) in samples.items()
        if rows and all(fit(row, header) is not None for row in rows)
    ]
    split = [separator for separator in _CHOICES if len(samples[separator][0]) > 1]
    if not split:
        # In a single column, a comma within a quoted cell means that commas are separators.
        quoted = "," in fitting and any("," in cell for row in samples[","] for cell in row)
        return "," if quoted or "\t" not in fitting else "\t"
    # A separator that occurs in every row is accepted even if a row has an extra cell: that row is refused later.
    sure = [one for one in split if one in fitting or len(samples[one]) > 1 < min(map(len, samples[one]))]
    return next(iter(sure), max(split, key=lambda one: len(samples[one][0])))


def _first_rows(text: str, separator: str) -> list[list[str]]:
    """Return the header and the first rows; if quotes are not closed, only the header without its quoted cells."""
    start = text[:_CHARACTERS]
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(islice(filter(any, reader), _ROWS))
    except csv.Error:
        # The quotes are not closed, or the sample ends within a quoted cell: the rows read before it are used.
        pass
    else:
        if len(rows) < _ROWS and len(start) < len(text):
            rows = rows[:1] + rows[1:-1]  # the last row is cut off
    return rows or [_QUOTED.sub("", start.lstrip().partition("\n")[0]).split(separator)]
