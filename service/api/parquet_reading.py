"""Read a Parquet body into the same form as JSON."""

from __future__ import annotations

from typing import Any

from service.api.parquet_table import read_parquet_table
from service.api.table_series import TableSeries, table_series
from service.errors import InvalidOption


def read_parquet(
    data: bytes,
    *,
    most_cells: int,
    most_bytes: int,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    **roles: Any,
) -> TableSeries:
    """Read a Parquet file.

    most_cells: rows times columns; most_bytes: of the largest body that is taken; roles: see `table_series`.

    Raises what `read_parquet_table` and `table_series` raise, and InvalidOption for what only a CSV file has.
    """
    for option, value in {"separator": separator, "decimal": decimal, "thousands": thousands}.items():
        if value is not None:
            raise InvalidOption.at((option,), f"a Parquet file has no {option}: leave it out")
    return table_series(read_parquet_table(data, most_cells, most_bytes), **roles)
