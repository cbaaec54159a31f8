"""``python -m service.api.input.parquet_worker BYTES CELLS``: read Parquet from stdin, write its columns as JSON.

This is a separate process because the metadata of a file cannot be trusted: memory and CPU time are limited, and a
crash affects nothing else. It has no API keys and opens no files.
"""

from __future__ import annotations

import resource
import sys
from collections import Counter
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import parquet

CPU_SECONDS = 60
_MIDNIGHT = "T00:00:00"


class Unusable(Exception):
    """The file cannot be used; the message says why and how to fix it."""


def main() -> int:
    """Read and write; report why a file is ``malformed`` or ``unusable``."""
    most_bytes, most_cells = (int(one) for one in sys.argv[1:3])
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    try:
        answer: dict[str, Any] = read_columns(sys.stdin.buffer.read(), most_cells)
    except Unusable as error:
        answer = {"unusable": str(error)}
    except MemoryError:
        answer = {"unusable": "the file decompresses to more than this server accepts"}
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        answer = {"malformed": f"{str(error).splitlines()[0] if str(error) else type(error).__name__:.200}"}
    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
    return 0


def read_columns(data: bytes, most_cells: int) -> dict[str, Any]:
    """Return the number of ``rows`` and the ``columns`` by name.

    A column has ``numbers`` with null for missing values, or ``texts``; or ``unusable``, its type. Raises Unusable.
    """
    file = parquet.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    names = file.schema_arrow.names
    cells = file.metadata.num_rows * len(names)
    if cells > most_cells:
        raise Unusable(f"the file has {cells} cells; this server accepts at most {most_cells}: drop columns or rows")
    for name, times in Counter(names).items():
        if times > 1:
            raise Unusable(f"two columns of the file are named {name[:60]!r}")
    table = file.read(use_threads=False)
    columns = {name: _column(name, table.column(index)) for index, name in enumerate(names)}
    return {"rows": table.num_rows, "columns": columns}


def _column(name: str, column: Any) -> dict[str, Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return {"numbers": _numbers(name, column)}
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return {"texts": _times(column)}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return {"texts": ["" if one is None else str(one) for one in column.to_pylist()]}
    # Reported only if the column is used.
    return {"unusable": str(kind)[:60]}


def _numbers(name: str, column: Any) -> Any:
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise Unusable(f"row {infinite[0] + 1}, column {name[:60]!r} is infinite: leave it empty where it is missing")
    # JSON has no NaN: missing values are written as null.
    return values


def _times(column: Any) -> list[str]:
    texts = ["" if value is None or value != value else value.isoformat() for value in column.to_pandas()]
    # Dates without times, as they are written elsewhere.
    if all(text.endswith(_MIDNIGHT) or not text for text in texts):
        return [text.removesuffix(_MIDNIGHT) for text in texts]
    return texts


if __name__ == "__main__":
    sys.exit(main())
