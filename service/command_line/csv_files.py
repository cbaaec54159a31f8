"""CSV files: as bytes for the server's own reader, as frames where a request is JSON."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import MalformedBody

if TYPE_CHECKING:
    import pandas as pd

STDIN = "-"
_SEPARATORS = (",", ";", "\t")


def read_bytes(file: str) -> bytes:
    """Read a file, or stdin. Raises OSError."""
    return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()


def read_frame(file: str, texts: tuple[str | None, ...]) -> pd.DataFrame:
    """Read a file as the server's own reader would; columns of numbers become numbers, but not those in ``texts``.

    With the separator ``;`` a comma is the decimal sign. Raises OSError, MalformedBody.
    """
    import pandas as pd

    try:
        content = read_bytes(file).decode("utf-8-sig")
        separator = max(_SEPARATORS, key=content.lstrip("\r\n").split("\n", 1)[0].count)
        frame = pd.read_csv(io.StringIO(content), sep=separator, dtype=str, skipinitialspace=True)
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedBody(f"{file} cannot be read as CSV: {error}") from None
    for name in frame.columns:
        if name not in texts:
            frame[name] = _numbers(frame[name], separator)
    return frame


def _numbers(column: pd.Series[str], separator: str) -> pd.Series[str] | pd.Series[float]:
    import pandas as pd

    cells = column.str.replace(",", ".") if separator == ";" else column
    try:
        return pd.to_numeric(cells)
    except ValueError:
        return column
