"""Parse a CSV body into columns of text."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from service.errors import InvalidSeries, MalformedBody, Path
from service.tables.column_roles import look_like_times
from service.tables.number_marks import NumberReader, is_number, possible_marks
from service.tables.separators import split_off_separator

PATH: Path = ("series",)
"""The path of a table in a request, for errors."""

# A first line of nothing but numbers and dates is not a header.
_DATE = re.compile(r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}.*", re.ASCII)
# The reader keeps a whole row in memory, and an error message may list the columns.
MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class CsvTable:
    """Cells by column, all columns of equal length.

    columns: stripped cells by name; lines: the line of each row in the file; reader: parses the numbers.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    reader: NumberReader

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as numbers, None for cells that are empty, NA, NaN or null.

        Raises InvalidSeries naming line and column, AmbiguousNumbers if they can be read in two ways.
        """
        return self.reader.numbers(name)

    def is_numeric(self, name: str) -> bool:
        """Return whether a column contains numbers, and nothing but numbers and missing cells."""
        return self.reader.is_numeric(name)

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
    name.

    decimal, thousands: the marks in numbers, detected if they are None; see `service.tables.number_marks`. most_rows: a
    body with more rows is refused while it is read, before all rows are in memory.

    Raises MalformedBody if the bytes are not UTF-8 or quotes are not closed; InvalidSeries if the header is missing,
    has duplicate names or more than 10,000 columns, if no rows or too many follow it, or if a row has more or fewer
    cells; InvalidOption for the separator and the marks.
    """
    separator, text = split_off_separator(_decoded(data), separator, _fitted)
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
                raise InvalidSeries.at(
                    PATH, f"more than {most_rows} rows; this server takes at most {most_rows} values"
                )
            rows.append(fitted)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise MalformedBody.at((), f"line {reader.line_num} of the CSV cannot be read: {error}") from None
    if not rows:
        raise InvalidSeries.at(PATH, f"the CSV has {'a header but no rows' if names else 'no content'}")
    columns = {
        name: [cell.strip() for cell in cells] for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    if any(look_like_times([name, *cells]) for name, cells in columns.items()):
        raise InvalidSeries.at(PATH, _no_names(names))
    return CsvTable(columns, lines, NumberReader(columns, lines, separator, possible, PATH))


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody.at((), f"the CSV is not in UTF-8 (byte {error.start}): save it as UTF-8") from None
    if "\0" in text:
        raise MalformedBody.at((), "the CSV has NUL bytes: save it as UTF-8 text")
    return text


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
        raise InvalidSeries.at(PATH, f"the CSV has {len(cells)} columns, at most {MOST_COLUMNS} are read")
    names = [cell.strip() or f"column {place}" for place, cell in enumerate(cells, 1)]
    if all(is_number(name) or _DATE.fullmatch(name) or look_like_times([name]) for name in names):
        raise InvalidSeries.at(PATH, _no_names(names))
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidSeries.at(PATH, f"two columns of the CSV are named {name[:60]!r}")
        seen.add(name)
    return names


def _no_names(names: list[str]) -> str:
    return f"the first line must name the columns, got {', '.join(names)[:60]!r}"
