"""SQLAlchemy options that all databases share."""

from __future__ import annotations

from typing import Any

import orjson


def _write(value: Any) -> str:
    return orjson.dumps(value).decode()


ENGINE_OPTIONS: dict[str, Any] = {
    "json_serializer": _write,
    "json_deserializer": orjson.loads,
    # Otherwise, errors would write whole records to the log.
    "hide_parameters": True,
}
"""Keyword arguments of ``create_engine``."""
