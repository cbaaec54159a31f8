"""Read an Excel body as CSV, in a subprocess."""

from __future__ import annotations

import json

from service.api.input.excel_worker import REFUSED
from service.api.input.reader_process import TOO_MUCH, run_reader, unreadable
from service.errors import InvalidOption, ServiceError, UnsupportedContentType
from service.tables.csv_table import CsvTable, read_table
from service.tables.excel import INSTALL, has_reader

# Memory that openpyxl needs itself, and bytes that one byte of the largest body may unpack to and be held as.
_OWN_BYTES = 256 * 2**20
_GROWTH, _HELD = 8, 24


def read_excel(data: bytes, most_rows: int, most_cells: int, most_bytes: int, **of_csv: str | None) -> CsvTable:
    """Read the first sheet of a workbook. most_bytes: the maximum size of a body.

    Raises UnsupportedContentType if openpyxl is not installed, MalformedBody if the body is no workbook, InvalidOption
    for an option that only CSV files have, and what `read_table` raises.
    """
    for option, value in of_csv.items():
        if value is not None:
            raise InvalidOption.at((option,), f"an Excel file has no {option}: leave it out")
    if not has_reader():
        raise UnsupportedContentType(f"this server cannot read Excel files: {INSTALL}")
    limits = _OWN_BYTES + _HELD * most_bytes, _GROWTH * most_bytes, most_cells
    done = run_reader("excel_worker", data, limits, "Excel")
    if done.returncode == REFUSED:
        raise ServiceError.from_record(json.loads(done.stderr))
    if done.returncode:
        raise unreadable("Excel", TOO_MUCH)
    return read_table(done.stdout, "comma", most_rows, "point")
