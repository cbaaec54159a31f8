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
_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none")


def read_bytes(file: str) -> bytes:
    """Read a file, or stdin. Raises OSError."""
    if file != STDIN:
        return Path(file).read_bytes()
    if sys.stdin is None:
        raise OSError("there is no stdin to read")
    return sys.stdin.buffer.read()


def read_frame(file: str, texts: tuple[str | None, ...]) -> pd.DataFrame:
    """Read a file as the server's own reader would; columns of numbers become numbers, but not those in ``texts``.

    With the separator ``;`` a comma is the decimal sign. Raises OSError, MalformedBody.
    """
    import pandas as pd

    try:
        content = read_bytes(file).decode("utf-8-sig")
        separator = max(_SEPARATORS, key=content.lstrip("\r\n").split("\n", 1)[0].count)
        frame = pd.read_csv(io.StringIO(content), sep=separator, dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedBody(f"{file} cannot be read as CSV: {error}") from None
    for name in frame.columns:
        cells = frame[name].str.strip()
        frame[name] = cells if name in texts else _numbers(cells, separator)
    return frame


def _numbers(cells: pd.Series[str], separator: str) -> pd.Series[str] | pd.Series[float]:
    """Return cells as numbers, or as they are where one is none."""
    import pandas as pd

    known = cells.mask(cells.str.lower().isin(_MISSING))
    try:
        return pd.to_numeric(known.str.replace(",", ".") if separator == ";" else known)
    except ValueError:
        return cells
