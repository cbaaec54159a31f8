"""Convert the first sheet of an Excel workbook (.xlsx) to CSV, with openpyxl (extra ``excel``)."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta
from importlib.util import find_spec
from typing import Any

from service.errors import InvalidSeries, MalformedBody
from service.tables.number_format import PATH

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
INSTALL = "install the extra [excel] (pip install openpyxl), or save the sheet as CSV"

# Excel stores times as fractions of days, which are off by up to this when read.
_NOISE = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)


def is_excel(data: bytes) -> bool:
    """Return whether a file is a zip archive, as workbooks are, and no text."""
    return data.startswith(b"PK\x03\x04")


def has_reader() -> bool:
    """Return whether workbooks can be read."""
    return find_spec("openpyxl") is not None


def csv_of_excel(data: bytes, most_bytes: int, most_cells: int) -> bytes:
    """Return the first sheet as CSV in UTF-8: commas between cells, decimal points, ISO 8601 times.

    most_bytes: the most that the archive may unpack to; most_cells: rows times columns.
    Raises MalformedBody for a file that is no workbook, InvalidSeries for one that is too large or has no cells.
    """
    import zipfile

    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(one.file_size for one in archive.infolist())
        if size > most_bytes:
            raise InvalidSeries.at(PATH, f"the workbook unpacks to {size} bytes, at most {most_bytes} are read")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = next(one for one in book.worksheets if one.sheet_state == "visible")
        return _written(sheet, most_cells)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, StopIteration, SyntaxError, OSError) as error:
        said = f"{str(error).splitlines()[0] if str(error) else type(error).__name__:.200}"
        raise MalformedBody(f"the Excel file cannot be read: {said}") from None


def _written(sheet: Any, most_cells: int) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    cells = 0
    for row in sheet.iter_rows(values_only=True):
        values = [_text(value) for value in row]
        cells += len(values)
        if cells > most_cells:
            raise InvalidSeries.at(PATH, f"the sheet has more than {most_cells} cells: drop columns or rows")
        writer.writerow(values)
    return text.getvalue().encode()


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
