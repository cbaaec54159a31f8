"""Parse a CSV body into columns of text; detect the character that separates them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from itertools import islice

from service.errors import InvalidOption, InvalidSeries, MalformedBody
from service.tables.column_roles import look_like_times
from service.tables.csv_text import decoded, split_off_titles
from service.tables.extra_rows import are_units, ends_with_total
from service.tables.labels import are_labels
from service.tables.number_format import PATH, NumberReader, is_number, possible_marks

# A first line of nothing but numbers and dates is not a header.
_DATE = re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}.*", re.ASCII)
# The reader keeps a whole row in memory, and an error message may list the columns.
MOST_COLUMNS = 10_000


SEPARATORS = {",": ",", ";": ";", "\t": "\t", "comma": ",", "semicolon": ";", "tab": "\t"}

_CHOICES = ("\t", ";", ",")
"""The comma comes last: it may be a decimal mark, or part of a column name."""
_ROWS, _CHARACTERS = 21, 100_000
"""The number of rows, header included, and of characters from which the separator is detected."""
_LINE_OF_EXCEL = re.compile(r'\s*(?:"sep=(.)"|sep=(.))[,;\t]*(?=[\r\n])', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"?')


class CsvTable(NumberReader):
    """The cells of a CSV file by column, all columns of equal length."""

    def cells(self, name: str, may_be_categories: bool = True) -> list[float | None] | list[str]:
        """Return a column as numbers, or as text if it holds booleans or categories. Raises what `numbers` raises."""
        if not self.has_numbers(name) and are_labels(self.columns[name], may_be_categories):
            return self.columns[name]
        return self.numbers(name)

    def hint(self) -> str:
        """Return a hint about the separator, for errors about missing columns, if only one column was found."""
        if len(self.columns) > 1:
            return ""
        return "; only one column was found: columns must be separated by comma, semicolon or tab"


def read_table(
    data: bytes,
    separator: str | None = None,
    most_rows: int | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
) -> CsvTable:
    """Split a CSV body into columns; the separator is detected if it is None.

    Empty cells beyond the header are dropped, and cells of the last columns may be missing if these columns have no
    name. Lines of titles above the header, of units below it and of a total at the end are left out, with a warning.

    decimal, thousands: the marks in numbers, detected if they are None; see `number_format`. most_rows: a body with
    more rows is refused while it is read, before all rows are in memory.

    Raises MalformedBody if the bytes are no text or quotes are not closed; InvalidSeries if the header is missing,
    has duplicate names or more than 10,000 columns, if no rows or too many follow it, or if a row has more or fewer
    cells; InvalidOption for the separator and the marks.
    """
    text, warning = decoded(data)
    separator, text, titles = _split_off_start(text, separator)
    possible = possible_marks(separator, decimal, thousands)
    header: list[str] = []
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            if not any(cells):
                continue
            if not names:
                header, names = cells, _header(cells)
                continue
            fitted = _fitted(cells, header)
            if fitted is None:
                raise InvalidSeries.at(PATH, _odd_row(reader.line_num, cells, header, separator))
            if len(rows) == most_rows:
                raise InvalidSeries.at(PATH, f"more than {most_rows} rows: this server accepts at most as many values")
            rows.append(fitted)
            lines.append(reader.line_num + titles.count("\n"))
    except csv.Error as error:
        raise MalformedBody.at((), f"line {reader.line_num} of the CSV cannot be read: {error}") from None
    if not rows:
        raise InvalidSeries.at(PATH, f"the CSV has {'a header but no rows' if names else 'no content'}")
    warnings = [warning] if warning else []
    if titles.strip():
        warnings.append(f"the lines above the header are left out: {' '.join(titles.split())[:80]!r}")
    rows, lines, left_out = _without_extra_rows(rows, lines)
    columns = {
        name: [cell.strip() for cell in cells] for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    if any(look_like_times([name, *cells]) for name, cells in columns.items()):
        raise InvalidSeries.at(PATH, _no_names(names))
    return CsvTable(columns, lines, separator, possible, (*warnings, *left_out))


def _without_extra_rows(rows: list[list[str]], lines: list[int]) -> tuple[list[list[str]], list[int], list[str]]:
    """Return rows and their lines without units below the header and a total at the end, and warnings about these."""
    warnings = []
    if len(rows) > 1 and are_units(rows[0]):
        warnings.append(f"the units below the header are left out: {' '.join(' '.join(rows[0]).split())[:80]!r}")
        rows, lines = rows[1:], lines[1:]
    if len(rows) > 1 and ends_with_total(rows):
        warnings.append(f"line {lines[-1]} is left out: it is a total")
        rows, lines = rows[:-1], lines[:-1]
    return rows, lines, warnings


def _fitted(cells: list[str], header: list[str]) -> list[str] | None:
    """Return a row with as many cells as the header, or None if it has extra cells that are not empty or too few."""
    extra = len(cells) - len(header)
    if extra == 0:
        return cells
    if extra > 0:
        return None if any(map(str.strip, cells[len(header) :])) else cells[: len(header)]
    return None if any(map(str.strip, header[len(cells) :])) else cells + [""] * -extra


def _odd_row(line: int, cells: list[str], header: list[str], separator: str) -> str:
    detail = f"line {line} has {len(cells)} cells, the header has {len(header)}"
    if separator != ",":
        return detail
    return f"{detail}; where commas are decimal marks, give separator (semicolon or tab), or quote such cells"


def _header(cells: list[str]) -> list[str]:
    """Return the names of the columns; a column without a name, as pandas writes an index, is named by its position."""
    if len(cells) > MOST_COLUMNS:
        raise InvalidSeries.at(PATH, f"the header has {len(cells)} columns, at most {MOST_COLUMNS} are read")
    names = [cell.strip() or f"column {place}" for place, cell in enumerate(cells, 1)]
    if all(is_number(name) or _DATE.fullmatch(name) or look_like_times([name]) for name in names):
        raise InvalidSeries.at(PATH, _no_names(names))
    if len(set(names)) < len(names):
        name, _ = Counter(names).most_common(1)[0]
        raise InvalidSeries.at(PATH, f"two columns of the CSV are named {name[:60]!r}")
    return names


def _no_names(names: list[str]) -> str:
    return f"the first line must name the columns, got {', '.join(names)[:60]!r}"


def _split_off_start(text: str, given: str | None) -> tuple[str, str, str]:
    """Return the separator, the table without the line ``sep=;`` of Excel and titles, and the titles above its header.

    The line end after the line of Excel is kept. given: the separator; if None it is detected by that line, else by the
    header and the first rows. Raises InvalidOption.
    """
    if given is not None and given not in SEPARATORS:
        raise InvalidOption.at(("separator",), f"{given[:20]!r} is not a separator: use comma, semicolon or tab")
    line = _LINE_OF_EXCEL.match(text)
    named = (line[1] or line[2]) if line else None
    remaining = text[line.end() :] if line and named in _CHOICES else text
    if given is not None or (remaining is not text and named):
        separator = SEPARATORS[given or named or ","]
        titles, remaining = split_off_titles(remaining, separator)
        return separator, remaining, titles
    for separator in _CHOICES:
        titles, below = split_off_titles(text, separator)
        if titles:
            return separator, below, titles
    return _found(text), text, ""


def _found(text: str) -> str:
    """Return the separator that splits the first rows like the header, else the most frequent one in the header."""
    samples = {separator: _first_rows(text, separator) for separator in _CHOICES}
    fitting = [
        separator
        for separator, (header, *rows) in samples.items()
        if rows and all(_fitted(row, header) is not None for row in rows)
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
