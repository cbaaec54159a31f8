"""What schemathesis changes in the requests that it makes up."""

from __future__ import annotations

import json
import random
from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from service.tables.excel import XLSX_TYPE

_MOST_SECONDS = 0.5
_OPERATION = "POST /train"
# What is rarely made up: without a model, links lead nowhere.
_SERIES = [10, 12, 15, 11, 13, 16, 12, 14, 17, 13, 15, 18, 14, 16, 19, 15, 17, 20, 16, 18]
_TRAINED: tuple[dict[str, Any], ...] = (
    {"series": _SERIES, "candidates": ["naive", "drift"]},
    {"series": {"values": _SERIES, "start": "2024-01-01", "freq": "D"}, "candidates": ["seasonal_naive"], "horizon": 3},
    {"series": {"columns": {"x": _SERIES, "y": _SERIES[::-1]}, "targets": ["x"]}, "candidates": ["mean"]},
    {"series": {"items": [{"id": name, "values": _SERIES} for name in "ab"]}, "candidates": ["theta"]},
)

schemathesis.serializer.alias(XLSX_TYPE, "application/octet-stream")


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(context: Any, value: Any) -> bytes:
    """Send what is made up as the only line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def map_query(context: HookContext, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Have no request wait for minutes."""
    wait = query.get("wait") if query else None
    if query and isinstance(wait, int | float) and wait > _MOST_SECONDS:
        query["wait"] = _MOST_SECONDS
    return query


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Train something that can be trained, every other time that what is sent is meant to be good."""
    good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if case.operation.label == _OPERATION and good and isinstance(case.body, dict):
        chance = random.Random(repr(case.body))
        if chance.random() < 0.5:
            case.body = {**chance.choice(_TRAINED), "name": "made up"}
            case.query = {"wait": _MOST_SECONDS}
    return case
