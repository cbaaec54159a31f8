"""Convert the first sheet of an Excel workbook (.xlsx) to CSV, with openpyxl (extra ``excel``)."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Iterator
from datetime import date, datetime, time, timedelta
from importlib.util import find_spec
from typing import Any

from service.errors import InvalidOption, InvalidSeries, MalformedBody
from service.tables.csv_table import CsvTable, read_table
from service.tables.number_format import PATH

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
INSTALL = "install the extra [excel] (pip install openpyxl), or save the sheet as CSV"

# Excel stores times as fractions of days, which are off by up to this when read.
_NOISE = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_MOST_ROWS = 1_048_576
"""Rows of a sheet in Excel. A file may name a later one, and openpyxl makes all rows before it."""
_CURE = "save the sheet as .xlsx or as CSV"


def is_excel(data: bytes) -> bool:
    """Return whether a file is a zip archive, as workbooks are, and no text."""
    return data.startswith(b"PK\x03\x04")


def has_reader() -> bool:
    """Return whether workbooks can be read."""
    return find_spec("openpyxl") is not None


def refuse_csv_options(**given: str | None) -> None:
    """Raise InvalidOption for an option that only CSV files have."""
    for option, value in given.items():
        if value is not None:
            raise InvalidOption.at((option,), f"an Excel file has no {option}: leave it out")


class SheetTable(CsvTable):
    """The cells of a sheet by column."""

    def hint(self) -> str:
        """Return an empty hint: a sheet has no separators that could be misread."""
        return ""


def read_sheet(csv: bytes, most_rows: int | None = None) -> SheetTable:
    """Split the CSV of a workbook into columns. Raises what `read_table` raises."""
    read = read_table(csv, "comma", most_rows, "point")
    return SheetTable(read.columns, read.lines, read.separator, read.possible, read.warnings)


def csv_of_excel(data: bytes, most_bytes: int | None = None, most_cells: int | None = None) -> bytes:
    """Return the first visible sheet as CSV in UTF-8: commas between cells, decimal points, ISO 8601 times.

    most_bytes: the most that the archive may unpack to, and of the CSV; most_cells: up to the last cell of each row.
    Raises MalformedBody for a file that is no workbook, InvalidSeries for one that is too large, or has formulas
    without saved values.
    """
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(one.file_size for one in archive.infolist())
        if most_bytes is not None and size > most_bytes:
            raise InvalidSeries.at(PATH, f"the workbook unpacks to {size} bytes, at most {most_bytes} are read")
        return _written(data, most_bytes, most_cells)
    except (IndexError, AttributeError):  # of openpyxl: a text that is missing, or a workbook of charts
        raise MalformedBody(f"the Excel file cannot be read: it is damaged or has no cells; {_CURE}") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, SyntaxError, OSError) as error:
        said = f"{str(error).splitlines()[0] if str(error) else type(error).__name__:.200}"
        raise MalformedBody(f"the Excel file cannot be read: {said}; {_CURE}") from None


def _rows(data: bytes, with_formulas: bool = False) -> Iterator[tuple[Any, ...]]:
    """Return the cells of each row of the first visible sheet, up to its last one."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=not with_formulas, keep_links=False)
    sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
    if sheet is None:
        raise MalformedBody(f"the Excel file has no visible sheet with cells: {_CURE}")
    # Programs write wrong ones, and formats make them far larger than what is filled.
    sheet.reset_dimensions()
    rows: Iterator[tuple[Any, ...]] = sheet.iter_rows()
    return rows


def _written(data: bytes, most_bytes: int | None, most_cells: int | None) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    cells = width = 0
    blank: set[str] = set()
    for number, row in enumerate(_rows(data)):
        if number >= _MOST_ROWS:
            raise InvalidSeries.at(PATH, f"the sheet has more than {_MOST_ROWS} rows: drop rows")
        values = [_text(cell.value) for cell in row]
        while values and not values[-1]:
            values.pop()
        width = max(width, len(values))
        cells += len(values)
        if most_cells is not None and cells > most_cells:
            raise InvalidSeries.at(PATH, f"the sheet has more than {most_cells} cells: drop columns or rows")
        # A row without cells is still a line, so that messages have the numbers of the sheet.
        writer.writerow(values + [""] * (width - len(values)) if values else [])
        if most_bytes is not None and text.tell() > most_bytes:
            raise InvalidSeries.at(PATH, f"the sheet has more than {most_bytes} characters: drop columns or rows")
        # A formula whose result is an empty text has another type.
        blank.update(cell.coordinate for cell in row if _is_blank(cell))
    if blank:
        _refuse_formulas(data, blank)
    return text.getvalue().encode()


def _is_blank(cell: Any) -> bool:
    return cell.value is None and cell.data_type == "n" and hasattr(cell, "coordinate")


def _refuse_formulas(data: bytes, blank: Container[str]) -> None:
    """Raise InvalidSeries if one of the cells without a value is a formula."""
    for row in _rows(data, with_formulas=True):
        for cell in row:
            if cell.data_type == "f" and cell.coordinate in blank:
                cure = "open the workbook in Excel or LibreOffice and save it, or export the sheet as CSV"
                raise InvalidSeries.at(PATH, f"cell {cell.coordinate} is a formula without a saved value: {cure}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        rounded = (value + _SECOND / 2).replace(microsecond=0)
        value = rounded if abs(rounded - value) <= _NOISE else value
        return str(value.date()) if value.time() == time() else str(value)
    if isinstance(value, date | time):
        return str(value)
    return str(value)
