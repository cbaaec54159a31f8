"""Print tables on a terminal, tab-separated lines for programs, and JSON on request."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from service.client.data.files import read_file
from service.errors import ServiceError
from service.tables.item_ids import named_columns

if TYPE_CHECKING:
    import pandas as pd


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def print_json(content: Any) -> None:
    """Print indented JSON; escape it to ASCII if the output is not in UTF-8."""
    if sys.stdout.encoding.lower() != "utf-8":
        print(json.dumps(content, indent=2))
        return
    print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under a header; numbers are rounded on a terminal only."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print(*(plain(cell) for cell in row), sep="\t")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for place, name in enumerate(columns):
        is_number = any(isinstance(row[place], float) for row in rows)
        table.add_column(Text(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        # Text, so that a name that contains markup is not interpreted.
        table.add_row(*(Text(f"{cell:.6g}" if isinstance(cell, float) else plain(cell)) for cell in row))
    Console().print(table)


def print_records(as_json: bool, records: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print records as JSON, or rows about them as a table."""
    if as_json:
        print_json(records)
    else:
        print_table(columns, rows)


def print_fields(as_json: bool, record: Any, fields: Mapping[str, Any]) -> None:
    """Print a record as JSON, or names and values of its fields, except values that are None."""
    rows = [(name, value) for name, value in fields.items() if value is not None]
    print_records(as_json, record, ("field", "value"), rows)


def print_notes(notes: Iterable[str]) -> None:
    """Print the warnings of the service on stderr, so that stdout contains only the table."""
    for note in notes:
        print(f"note: {plain(note)}", file=sys.stderr)


def moment(text: str | None) -> str | None:
    """Convert a time of the server to local time, to the second."""
    return None if text is None else f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def plain(cell: Any) -> str:
    """Return text whose terminal control characters are replaced by spaces."""
    return "" if cell is None else _CONTROL.sub(" ", str(cell))


STDIN = "-"


def read_bytes(file: str) -> bytes:
    """Read a file, or stdin. Raises OSError."""
    if file != STDIN:
        return Path(file).read_bytes()
    if sys.stdin is None:
        raise OSError("stdin is closed")
    return sys.stdin.buffer.read()


def item_of(asked: argparse.Namespace, columns: Iterable[Any]) -> list[str] | None:
    """Return the item columns of ``--item``, which may name several in one text."""
    return list(named_columns(asked.item, [str(name) for name in columns])) if asked.item else None


def read_frame(
    file: str, asked: argparse.Namespace, values: Collection[str] = (), items: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a file as `read_file` does.

    asked: has ``item`` and ``time``, and the format of a CSV file; values: columns that the model reads; items: the
    item columns of the model.

    Raises OSError, and the errors of `read_file` with the name of the file.
    """
    data = read_bytes(file)
    of_csv = {"separator": asked.separator, "decimal": asked.decimal, "thousands": asked.thousands}
    try:
        return read_file(data, values, (*items, *(asked.item or ())), asked.time, **of_csv)
    except ServiceError as error:
        raise type(error)(f"{file}: {error.detail}", error.faults) from None


def print_frame(frame: pd.DataFrame) -> None:
    """Print a frame as a table."""
    columns = [frame[name].astype(str).tolist() if name == "ds" else frame[name].tolist() for name in frame.columns]
    print_table(list(frame.columns), list(zip(*columns, strict=True)))


def draw(plot: Callable[[], Any], file: str) -> None:
    """Draw into a file, without a display. Raises OSError, and ValueError for an unknown image format."""
    import matplotlib as mpl

    mpl.use("Agg")
    import numpy as np

    # matplotlib appends the same suffix to a file name without one.
    picture = file if Path(file).suffix else f"{file}.png"
    first = np.ravel(plot())[0]
    first.figure.savefig(picture, dpi=120)
    print(plain(f"plot written to {picture}"), file=sys.stderr)
