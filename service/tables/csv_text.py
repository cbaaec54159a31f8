"""The text of a CSV file: its encoding, and the lines above its header."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from itertools import islice

from service.errors import MalformedBody
from service.tables.column_roles import look_like_times, role_of_name
from service.tables.number_format import MISSING, is_number

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# In UTF-16, letters such as U+0400 have the NUL byte on the other side.
_FEWEST_NULS = 4
_MOST_TITLES = 20
_ROWS_BELOW = 5


def decoded(data: bytes) -> tuple[str, str | None]:
    """Return the text of a file in UTF-8, UTF-16 or Windows-1252, and a warning about an encoding that was guessed.

    Raises MalformedBody.
    """
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    encoding = _MARKS.get(mark) or _without_mark(data)
    warning = None
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        text, warning = _as_windows_1252(data, encoding, error)
    if "\0" in text:
        raise MalformedBody.at((), "the CSV has NUL bytes: save it as UTF-8 text")
    return text, warning


def _without_mark(data: bytes) -> str:
    """Return UTF-16 if there are NUL bytes at every other place only: those of separators, digits and line ends."""
    start = data[:1000]
    even, odd = (half.count(0) for half in (start[::2], start[1::2]))
    if max(even, odd) < _FEWEST_NULS * max(1, min(even, odd)):
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def _as_windows_1252(data: bytes, encoding: str, fault: UnicodeDecodeError) -> tuple[str, str]:
    cure = f"the CSV is not in UTF-8 (byte {fault.start}): save it as UTF-8"
    # Of damaged UTF-8, which has whole characters other than ASCII, or half a one at its end, names would be wrong.
    is_damaged = fault.end == len(data) or not data.decode("utf-8", "ignore").isascii()
    if encoding != "utf-8" or is_damaged:
        raise MalformedBody.at((), cure)
    try:
        text = data.decode("windows-1252")
    except UnicodeDecodeError:
        raise MalformedBody.at((), cure) from None
    return text, "the file is not in UTF-8: it was read as Windows-1252; save it as UTF-8 if names look wrong"


def split_off_titles(text: str, separator: str) -> tuple[str, str]:
    """Return the lines above the header, and the rest: single cells above rows of several cells, as Google Trends has.

    The header is the first row of several cells, or a later one if only that has the name of a column of times, no
    fewer cells with text, and more of them if there are numbers between. There are no lines above it if it is the
    first, or if the rows below do not have as many cells as each other.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, cells) for cells in islice(reader, _MOST_TITLES + _ROWS_BELOW))
    except csv.Error:
        return "", text
    several = [place for place, (_, cells) in enumerate(rows) if sum(map(bool, map(str.strip, cells))) > 1]
    tried = ([rows[place][1] for place in several[: count + 1]] for count in range(len(several)))
    first = next(
        (place for place, read in zip(several, tried, strict=True) if _is_header(read)), min(several, default=0)
    )
    below = [cells for _, cells in rows[first:] if any(cells)]
    if not 0 < first <= _MOST_TITLES or len(below) < 2 or len(set(map(len, below))) > 1:
        return "", text
    if any(map(is_number, below[0])) or not any(is_number(cell) for cells in below[1:] for cell in cells):
        return "", text  # values with decimal commas below the name of their only column
    lines = text.splitlines(keepends=True)
    end = rows[first - 1][0]
    return "".join(lines[:end]), "".join(lines[end:])


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the last of these rows is the header, and those before it are titles rather than values."""
    if not _names_times(rows[-1]):
        return False
    first, last = (sum(cell.strip().lower() not in MISSING for cell in row) for row in (rows[0], rows[-1]))
    return last > first or (last == first and not any(is_number(cell.strip()) for row in rows[:-1] for cell in row))


def _names_times(cells: Sequence[str]) -> bool:
    """Return whether one of these cells is the name of a column of times, and none is a time."""
    names = [cell.strip() for cell in cells]
    return any(role_of_name(name) in ("time", "period") for name in names) and not any(
        look_like_times([name]) for name in names
    )
