"""What SQLAlchemy is told for every database."""

from __future__ import annotations

from typing import Any

import orjson


def _write(value: Any) -> str:
    return orjson.dumps(value).decode()


ENGINE_OPTIONS: dict[str, Any] = {
    "json_serializer": _write,
    "json_deserializer": orjson.loads,
    # Errors would show whole records in a log.
    "hide_parameters": True,
}
"""Arguments of create_engine."""
