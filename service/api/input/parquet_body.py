"""Read a Parquet body as columns, in a subprocess."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from service.api.input.table import TableSeries, table_series
from service.errors import InvalidOption, InvalidSeries, MalformedBody, UnsupportedContentType
from service.tables.number_marks import PATH

_CODE = Path(__file__).resolve().parents[3]
# Memory that pyarrow and pandas need themselves, and bytes that one byte of the largest body may expand to.
_OWN_BYTES = 512 * 2**20
_GROWTH = 16
# More than the CPU time limit of the process: it may have to wait for a core.
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class ParquetTable:
    """Columns of equal length, like those of `CsvTable`. unusable: types of columns that a series cannot use."""

    columns: dict[str, list[str]]
    _numbers: Mapping[str, list[float | None]] = field(default_factory=dict)
    _unusable: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> range:
        """The number of each row, from 1."""
        return range(1, 1 + max((len(one) for one in self.columns.values()), default=0))

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as numbers, with None for missing values. Raises InvalidSeries naming the column."""
        if name in self._numbers:
            return self._numbers[name]
        kind = self._unusable.get(name, "text or times")
        raise InvalidSeries.at(PATH, f"column {name[:60]!r} holds {kind}, not numbers")

    def is_numeric(self, name: str) -> bool:
        """Return whether a column contains numbers and, apart from missing cells, nothing else."""
        return any(one is not None for one in self._numbers.get(name, ()))

    def hint(self) -> str:
        """Return an empty hint: Parquet has no separators that could be misread."""
        return ""


def read_parquet_table(data: bytes, most_cells: int, most_bytes: int) -> ParquetTable:
    """Read a Parquet body. most_bytes: the maximum size of a body.

    Raises UnsupportedContentType if pyarrow is not installed, MalformedBody if the body is not Parquet, InvalidSeries
    if it has no rows, too many cells, or infinite values.
    """
    if find_spec("pyarrow") is None:
        raise UnsupportedContentType(
            "this server cannot read Parquet: send CSV, or install it with the extra [parquet] "
            "(pip install '.[parquet]' in its folder)"
        )
    columns = _read(data, most_cells, _OWN_BYTES + _GROWTH * most_bytes)
    numbers = {name: one["numbers"] for name, one in columns.items() if "numbers" in one}
    texts = {name: one["texts"] for name, one in columns.items() if "texts" in one}
    unusable = {name: one["unusable"] for name, one in columns.items() if "unusable" in one}
    rows = max((len(one) for one in (*numbers.values(), *texts.values())), default=0)
    if not rows:
        raise InvalidSeries.at(PATH, "the file has no rows with numbers")
    shown = {
        name: [_text(one) for one in numbers[name]] if name in numbers else texts.get(name, [""] * rows)
        for name in columns
    }
    return ParquetTable(shown, _numbers=numbers, _unusable=unusable)


def _read(data: bytes, most_cells: int, most_memory: int) -> dict[str, dict[str, Any]]:
    # The system's allocator returns memory and so stays within the limit; the rest of our environment is not passed on.
    environment = {"PYTHONPATH": str(_CODE), "PYTHONSAFEPATH": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "service.api.input.parquet_worker", str(most_memory), str(most_cells)]
    try:
        # No part of the command comes from a client.
        done = subprocess.run(  # noqa: S603
            command, input=data, capture_output=True, env=environment, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise _unreadable("it takes too long") from None
    if done.returncode:
        raise _unreadable("it takes more memory or time than this server gives it, or is damaged")
    answer = from_json(done.stdout)
    if "error" in answer:
        if answer["malformed"]:
            raise _unreadable(answer["error"])
        raise InvalidSeries.at(PATH, answer["error"])
    columns: dict[str, dict[str, Any]] = answer["columns"]
    return columns


def _unreadable(why: str) -> MalformedBody:
    return MalformedBody(f"the Parquet file cannot be read: {why}")


def _text(number: float | None) -> str:
    if number is None:
        return ""
    return str(int(number)) if number.is_integer() else repr(number)


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

    most_cells: rows times columns; most_bytes: the maximum size of a body; roles: see `table_series`.

    Raises what `read_parquet_table` and `table_series` raise, and InvalidOption for options that only CSV files have.
    """
    for option, value in {"separator": separator, "decimal": decimal, "thousands": thousands}.items():
        if value is not None:
            raise InvalidOption.at((option,), f"a Parquet file has no {option}: leave it out")
    return table_series(read_parquet_table(data, most_cells, most_bytes), **roles)
