"""How DBOS keeps what a ticket says: its own serializer is pickle."""

from __future__ import annotations

from typing import Any

import orjson
from dbos import Serializer


class JsonSerializer(Serializer):
    """JSON in place of DBOS's pickle."""

    def serialize(self, data: Any) -> str:
        """Return JSON; what is no JSON, an exception say, as its text."""
        return orjson.dumps(data, default=str).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Undo `serialize`."""
        return orjson.loads(serialized_data)

    def name(self) -> str:
        """Return what is kept beside the data."""
        return "json"
