"""The query of a CSV upload: options of POST /train as dotted parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.client.series import write_json


def csv_query(arguments: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return arguments as parameters: nested ones dotted, lists repeated; None is left out at the top, else null."""
    pairs: list[tuple[str, str]] = []
    for name, value in arguments.items():
        if value is not None:
            pairs += _pairs(name, value)
    return tuple(pairs)


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _pairs(f"{name}.{key}", inner)]
    if isinstance(value, list | tuple):
        return [(name, _text(one)) for one in value]
    return [(name, _text(value))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else write_json(value).decode().strip('"')
