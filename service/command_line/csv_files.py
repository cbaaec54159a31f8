"""CSV files: as bytes for the server's own reader, as frames where a request is JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from service.client.known_model import KnownModel
from service.errors import AmbiguousNumbers, ServiceError
from service.tables.column_roles import says_time
from service.tables.csv_table import CsvTable, read_table

if TYPE_CHECKING:
    import pandas as pd

STDIN = "-"


def read_bytes(file: str) -> bytes:
    """Read a file, or stdin. Raises OSError."""
    if file != STDIN:
        return Path(file).read_bytes()
    if sys.stdin is None:
        raise OSError("there is no stdin to read")
    return sys.stdin.buffer.read()


def columns_of(model: KnownModel, target: list[str] | None) -> tuple[str, ...]:
    """Return the columns that a model needs of a file, and those that are named as its target."""
    kinds = ("targets", "covariates", "future_covariates")
    return (*(target or ()), *(name for kind in kinds for name in model.names(kind)))


def read_frame(file: str, asked: argparse.Namespace, values: Collection[str] = ()) -> pd.DataFrame:
    """Read a file as the server reads it: columns of numbers become numbers, but not those that say time.

    asked: has ``item`` and ``time``, and how the file is written; values: columns that must be numbers, where the file
    has them.

    Raises OSError, and what `read_table` and its columns raise, with the name of the file.
    """
    import pandas as pd

    data = read_bytes(file)
    try:
        table = read_table(data, asked.separator, decimal=asked.decimal, thousands=asked.thousands)
        columns = {name: _column(table, name, (asked.item, asked.time), values) for name in table.columns}
    except ServiceError as error:
        raise type(error)(f"{file}: {error.detail}", error.faults) from None
    return pd.DataFrame(columns)


def _column(
    table: CsvTable, name: str, texts: tuple[str | None, ...], values: Collection[str]
) -> list[str] | list[float | None]:
    cells = table.columns[name]
    if name not in values and (name in texts or says_time(name, cells) or not table.is_numeric(name)):
        return cells
    try:
        return table.numbers(name)
    except AmbiguousNumbers:
        if name not in values and any(value in table.columns for value in values):
            # Another column counts; this one may be written as it likes.
            return cells
        raise
