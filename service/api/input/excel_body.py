"""Read an Excel body as CSV, in a subprocess."""

from __future__ import annotations

import json

from service.api.input.excel_worker import REFUSED
from service.api.input.reader_process import TOO_MUCH, run_reader, unreadable
from service.errors import ServiceError, UnsupportedContentType
from service.tables.csv_table import CsvTable
from service.tables.excel import INSTALL, has_reader, is_excel, read_sheet, refuse_csv_options

# Memory that openpyxl needs itself, and bytes that one byte of the largest body may unpack to and be held as.
_OWN_BYTES = 256 * 2**20
_GROWTH, _HELD = 8, 24
CELLS_A_VALUE = 4
"""The most cells that a table may have for each value that a request may have: some columns may be unused."""


def read_excel(data: bytes, most_rows: int, most_bytes: int, **of_csv: str | None) -> CsvTable:
    """Read the first sheet of a workbook. most_bytes: the maximum size of a body.

    Raises what `csv_of_body` and `read_sheet` raise, and InvalidOption for an option that only CSV files have.
    """
    refuse_csv_options(**of_csv)
    return read_sheet(csv_of_body(data, most_rows, most_bytes), most_rows)


def csv_of_body(data: bytes, most_rows: int, most_bytes: int) -> bytes:
    """Return the first sheet of a workbook as CSV.

    Raises UnsupportedContentType if openpyxl is not installed, MalformedBody if the body is no workbook, InvalidSeries
    if it is too large or has formulas without values.
    """
    if not has_reader():
        raise UnsupportedContentType(f"this server cannot read Excel files: {INSTALL}")
    if not is_excel(data):
        raise unreadable("Excel", "it is no workbook; save the sheet as .xlsx or as CSV")
    limits = _OWN_BYTES + _HELD * most_bytes, _GROWTH * most_bytes, CELLS_A_VALUE * most_rows
    done = run_reader("excel_worker", data, limits, "Excel")
    if done.returncode == REFUSED:
        raise ServiceError.from_record(json.loads(done.stderr))
    if done.returncode:
        raise unreadable("Excel", TOO_MUCH)
    return done.stdout
