"""The series that the tests of the routes send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from service.api.input.table import TableSeries, table_series
from service.tables.csv_table import read_table
from tests.factories import noisy_sine, random_walk, seasonal

LENGTH = 60
DAYS = [str(date(2024, 1, 1) + timedelta(days=day)) for day in range(LENGTH)]
AFTER = str(date(2024, 1, 1) + timedelta(days=LENGTH))
"""The day after the last one."""

VALUES: list[float] = seasonal(LENGTH).tolist()
OPEN: list[float] = (100 + random_walk(LENGTH)).tolist()
CLOSE: list[float] = (50 + 10 * noisy_sine(LENGTH)).tolist()


def read_csv(
    data: bytes,
    *,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    **roles: Any,
) -> TableSeries:
    """Read a CSV body as POST /train does."""
    return table_series(read_table(data, separator, None, decimal, thousands), **roles)


def csv_of(columns: dict[str, Sequence[object]], separator: str = ",") -> str:
    """Write columns as a CSV with a header row; None as an empty cell."""
    rows = zip(*columns.values(), strict=True)
    lines = [separator.join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join([separator.join(columns), *lines, ""])
