"""Read a CSV body into the same form as JSON."""

from __future__ import annotations

from typing import Any

from service.api.input.table import TableSeries, table_series
from service.tables.csv_table import read_table


def read_csv(
    data: bytes,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    most_rows: int | None = None,
    **roles: Any,
) -> TableSeries:
    """Read a CSV with a header row.

    separator, decimal, thousands: found where they are None; most_rows: as many values as may be sent; roles: see
    `table_series`.

    Raises MalformedBody (no UTF-8, open quotes), AmbiguousNumbers, and what `table_series` raises.
    """
    return table_series(read_table(data, separator, most_rows, decimal, thousands), **roles)
