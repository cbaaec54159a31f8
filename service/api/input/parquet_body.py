"""Read a Parquet body as columns, in a subprocess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pydantic_core import from_json

from service.api.input.reader_process import TOO_MUCH, run_reader, unreadable
from service.errors import InvalidOption, InvalidSeries, UnsupportedContentType
from service.tables.labels import are_labels
from service.tables.number_format import PATH

# Memory that pyarrow and pandas need themselves, and bytes that one byte of the largest body may expand to.
_OWN_BYTES = 512 * 2**20
_GROWTH = 16


@dataclass(frozen=True)
class ParquetTable:
    """Columns of equal length, like those of `CsvTable`.

    columns: cells as strings; lines: the number of each row, from 1; read: the columns that `parquet_worker` returned.
    """

    columns: dict[str, list[str]]
    lines: range
    read: Mapping[str, dict[str, Any]]
    warnings: tuple[str, ...] = ()

    def unit_of(self, name: str) -> str:  # noqa: ARG002
        """Return "": numbers of a Parquet file have no units."""
        return ""

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as numbers, with None for missing values. Raises InvalidSeries naming the column."""
        numbers: list[float | None] | None = self.read[name].get("numbers")
        if numbers is None:
            kind = self.read[name].get("unusable", "text or times")
            raise InvalidSeries.at(PATH, f"column {name[:60]!r} contains {kind}, not numbers")
        return numbers

    def cells(self, name: str, may_be_categories: bool = True) -> list[float | None] | list[str]:
        """Return a column as numbers, or as text if it holds booleans or categories. Raises what `numbers` raises."""
        texts = self.read[name].get("texts")
        if texts is not None and are_labels(texts, may_be_categories):
            return list(texts)
        return self.numbers(name)

    def is_numeric(self, name: str) -> bool:
        """Return whether a column contains numbers and, apart from missing cells, nothing else."""
        return any(one is not None for one in self.read[name].get("numbers", ()))

    def hint(self) -> str:
        """Return an empty hint: Parquet has no separators that could be misread."""
        return ""


def read_parquet(data: bytes, most_cells: int, most_bytes: int, **of_csv: str | None) -> ParquetTable:
    """Read a Parquet body. most_cells: rows times columns; most_bytes: the maximum size of a body.

    Raises UnsupportedContentType if pyarrow is not installed, MalformedBody if the body is not Parquet, InvalidSeries
    if it has no rows, too many cells, or infinite values, InvalidOption for an option that only CSV files have.
    """
    for option, value in of_csv.items():
        if value is not None:
            raise InvalidOption.at((option,), f"a Parquet file has no {option}: leave it out")
    if find_spec("pyarrow") is None:
        raise UnsupportedContentType(
            "this server cannot read Parquet: send CSV, or install it with the extra [parquet] "
            "(pip install '.[parquet]' in its folder)"
        )
    answer = _read(data, most_cells, _OWN_BYTES + _GROWTH * most_bytes)
    rows, read = answer["rows"], answer["columns"]
    if not rows:
        raise InvalidSeries.at(PATH, "the file has no rows")
    return ParquetTable({name: _texts(one, rows) for name, one in read.items()}, range(1, rows + 1), read)


def _read(data: bytes, most_cells: int, most_memory: int) -> dict[str, Any]:
    done = run_reader("parquet_worker", data, (most_memory, most_cells), "Parquet")
    if done.returncode:
        raise unreadable("Parquet", TOO_MUCH)
    answer: dict[str, Any] = from_json(done.stdout)
    if "malformed" in answer:
        raise unreadable("Parquet", answer["malformed"])
    if "unusable" in answer:
        raise InvalidSeries.at(PATH, answer["unusable"])
    return answer


def _texts(column: Mapping[str, Any], rows: int) -> list[str]:
    if "numbers" not in column:
        return list(column.get("texts", [""] * rows))
    return ["" if one is None else str(int(one)) if one.is_integer() else repr(one) for one in column["numbers"]]
