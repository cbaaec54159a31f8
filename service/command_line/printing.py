"""Print tables for people on a terminal, tab-separated lines for programs, and JSON for who asks for it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def print_json(content: Any) -> None:
    """Print JSON, indented; in ASCII where the output is not in UTF-8."""
    if sys.stdout.encoding.lower() != "utf-8":
        print(json.dumps(content, indent=2))
        return
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.flush()
    sys.stdout.write(orjson.dumps(content, option=options).decode())


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
        # Text: what looks like markup in a name is none.
        table.add_row(*(Text(f"{cell:.6g}" if isinstance(cell, float) else plain(cell)) for cell in row))
    Console().print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values, those that are known."""
    print_table(("field", "value"), [(name, value) for name, value in fields.items() if value is not None])


def print_notes(notes: Iterable[str]) -> None:
    """Print what the service warns of, on stderr, so that what is on stdout stays a table."""
    for note in notes:
        print(f"note: {plain(note)}", file=sys.stderr)


def moment(text: str | None) -> str | None:
    """Return a time of the server in local time, to the second."""
    return None if text is None else f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def plain(cell: Any) -> str:
    """Return a text that does nothing to a terminal."""
    if cell is None:
        return ""
    return _CONTROL.sub(" ", str(cell))
