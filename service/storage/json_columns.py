"""How columns of JSON are written and read."""

from __future__ import annotations

from typing import Any

import orjson


def _write(value: Any) -> str:
    return orjson.dumps(value).decode()


JSON_COLUMNS: dict[str, Any] = {"json_serializer": _write, "json_deserializer": orjson.loads}
"""Arguments of create_engine."""
