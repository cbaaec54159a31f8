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

    separator, decimal, thousands: detected if None; most_rows: the maximum number of values in a request; roles: see
    `table_series`.

    Raises MalformedBody (not UTF-8, unclosed quotes), AmbiguousNumbers, and what `table_series` raises.
    """
    return table_series(read_table(data, separator, most_rows, decimal, thousands), **roles)
