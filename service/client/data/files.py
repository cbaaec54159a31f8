"""Read CSV, Excel and Parquet files as data frames, as the server reads them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from service.errors import AmbiguousNumbers, MalformedBody, UnsupportedContentType
from service.tables.column_roles import part_of_name, says_time
from service.tables.csv_table import CsvTable, read_table
from service.tables.excel import INSTALL, csv_of_excel, has_reader, is_excel, read_sheet, refuse_csv_options
from service.tables.item_ids import named_columns, type_of_texts
from service.tables.time_parts import TimeParts, times_of_parts, times_with_clock

if TYPE_CHECKING:
    import pandas as pd

File = str | Path | bytes


def is_file(data: Any) -> TypeGuard[File]:
    """Return whether data is the path of a file, or its bytes."""
    return isinstance(data, File)


def is_parquet(data: bytes) -> bool:
    """Return whether a file is Parquet."""
    return data.startswith(b"PAR1")


def read_bytes(file: File) -> bytes:
    """Return the content of a file. Raises OSError."""
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def read_file(
    file: File, values: Collection[str] = (), item: Sequence[str] = (), time: str | None = None, **of_csv: str | None
) -> pd.DataFrame:
    """Read a file: columns become numbers, booleans or categories, except those of times, and of items as integers.
    Times in several columns become one.

    values: columns that are needed, if the file contains them; item: the columns that identify items, several also in
    one text; of_csv: ``separator``, ``decimal`` and ``thousands``. A Parquet file has its own types.

    Raises OSError, MalformedBody, UnsupportedContentType if the reader is not installed, and what `read_table` and
    `CsvTable.cells` raise.
    """
    import pandas as pd

    data = read_bytes(file)
    if is_parquet(data):
        return _read_parquet(data)
    table = _read_table(data, **of_csv)
    items = named_columns(item, table.columns)
    parts = _time_parts(table, time, {*items, *values})
    texts = (*items, *(parts.names[:1] if parts else ()), time)
    columns: dict[str, Any] = {name: _column(table, name, texts, values) for name in table.columns}
    if parts:
        columns = {name: cells for name, cells in columns.items() if name not in parts.names}
        columns[parts.names[0]] = parts.texts
    for name in items:
        if name not in values and name in columns and type_of_texts(columns[name]) == "integer":
            columns[name] = [int(cell) for cell in columns[name]]
    return pd.DataFrame(columns)


def _read_parquet(data: bytes) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(BytesIO(data))
    except ImportError:
        cure = "install the extra [parquet] (pip install pyarrow), or save the table as CSV"
        raise UnsupportedContentType(f"Parquet files cannot be read: {cure}") from None
    except (OSError, ValueError) as error:
        raise MalformedBody(f"the Parquet file cannot be read: {error}") from None


def _read_table(
    data: bytes, separator: str | None = None, decimal: str | None = None, thousands: str | None = None
) -> CsvTable:
    if not is_excel(data):
        return read_table(data, separator, None, decimal, thousands)
    refuse_csv_options(separator=separator, decimal=decimal, thousands=thousands)
    if not has_reader():
        raise UnsupportedContentType(f"Excel files cannot be read: {INSTALL}")
    return read_sheet(csv_of_excel(data))


def _time_parts(table: CsvTable, time: str | None, taken: Collection[str]) -> TimeParts | None:
    """Return the times that several columns hold together, if they do; time: the column that is named."""
    parts = times_of_parts(table, taken) if time is None or part_of_name(time) == "year" else None
    if parts is not None:
        return parts
    dates = [name for name, cells in table.columns.items() if name not in taken and says_time(name, cells)]
    found = (times_with_clock(table, name, taken) for name in dates if time in (None, name))
    return next((one for one in found if one is not None), None)


def _column(
    table: CsvTable, name: str, texts: tuple[str | None, ...], values: Collection[str]
) -> list[str] | list[float | None]:
    cells = table.columns[name]
    if name not in values and (name in texts or says_time(name, cells) or not table.is_numeric(name)):
        return cells
    try:
        return table.cells(name)
    except AmbiguousNumbers:
        if name not in values and any(value in table.columns for value in values):
            # A required column is present; the format of this one does not matter.
            return cells
        raise
