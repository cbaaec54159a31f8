"""Which character separates the columns of a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from itertools import islice

from service.errors import InvalidOption

SEPARATORS = {",": ",", ";": ";", "\t": "\t", "comma": ",", "semicolon": ";", "tab": "\t"}

_CHOICES = ("\t", ";", ",")
"""A comma comes last: it may be a decimal mark, or a mark in the name of a column."""
_ROWS, _CHARACTERS = 21, 100_000
"""The header and so many rows, of at most so many characters, decide."""
_LINE_OF_EXCEL = re.compile(r'\s*(?:"sep=(.)"|sep=(.))[,;\t]*(?=[\r\n])', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"?')

Fit = Callable[[list[str], list[str]], object]
"""Return a row as the header has columns, None where it does not fit; of a row and the cells of the header."""


def split_off_separator(text: str, given: str | None, fit: Fit) -> tuple[str, str]:
    """Return the separator, and the text without the line ``sep=;`` that Excel reads, whose line end stays.

    given: the separator, which is found where it is None: by that line, else by the header and the first rows.
    Raises InvalidOption.
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
    """Return the separator that splits the first rows as it splits the header, else the most frequent in the header."""
    samples = {separator: _first_rows(text, separator) for separator in _CHOICES}
    fitting = [
        separator
        for separator, (header, *rows) in samples.items()
        if rows and all(fit(row, header) is not None for row in rows)
    ]
    split = [separator for separator in _CHOICES if len(samples[separator][0]) > 1]
    if not split:
        # Of one column, a comma within a quoted cell says that commas would separate.
        quoted = "," in fitting and any("," in cell for row in samples[","] for cell in row)
        return "," if quoted or "\t" not in fitting else "\t"
    # What stands in every row separates, even where a row has a cell too many: that row is refused.
    sure = [one for one in split if one in fitting or len(samples[one]) > 1 < min(map(len, samples[one]))]
    return next(iter(sure), max(split, key=lambda one: len(samples[one][0])))


def _first_rows(text: str, separator: str) -> list[list[str]]:
    """Return the header and the first rows; the header without its quoted cells where they are not closed."""
    start = text[:_CHARACTERS]
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(islice(filter(any, reader), _ROWS))
    except csv.Error:
        # An open quote, or the text ends within one: what stands before it decides.
        pass
    else:
        if len(rows) < _ROWS and len(start) < len(text):
            rows = rows[:1] + rows[1:-1]  # the last one is cut off
    return rows or [_QUOTED.sub("", start.lstrip().partition("\n")[0]).split(separator)]
