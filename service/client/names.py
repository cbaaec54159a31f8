"""The operations on names: what they mean, and which model they are pinned to."""

from __future__ import annotations

from typing import Any

from service.client import requests
from service.client.connection import FIELDS, Call, Connection, operation, path_of
from service.client.records import KnownModel, NameRecord

Record = dict[str, Any]


class NameOperations:
    """Shows and moves names."""

    _connection: Connection

    @operation
    async def name(self, name: str) -> NameRecord:
        """Return what a name means, and all its moves that the server keeps."""
        record: Record = {}
        async for page in self._connection.pages(path_of("names", name), "history", {}):
            record = {**page, "history": [*record.get("history", ()), *page["history"]]}
        return NameRecord(record)

    @operation
    async def names(self, limit: int | None = None) -> list[NameRecord]:
        """Return all names in alphabetical order, at most ``limit``, and what they mean."""
        return [NameRecord(one) for one in await self._connection.listed("names", limit)]

    @operation
    async def promote(self, name: str, model: KnownModel | str) -> NameRecord:
        """Pin a name to a model, or the model with this ID, whatever is trained later; return what it means now."""
        model_id = model if isinstance(model, str) else model.id
        call = requests.json_call("POST", path_of("names", name, "promote"), {"model_id": model_id})
        return NameRecord(await self._connection.document(call, *FIELDS["names"]))

    @operation
    async def rollback(self, name: str) -> NameRecord:
        """Let a name mean what it meant before its last move; return what that is. Raises Conflict if nothing was."""
        # Not repeatable: sending it twice would undo two moves.
        call = Call("POST", path_of("names", name, "rollback"), repeatable=False)
        return NameRecord(await self._connection.document(call, *FIELDS["names"]))

    @operation
    async def follow(self, name: str) -> NameRecord:
        """Let a name mean the newest ready model that has it, as it did before it was pinned."""
        call = Call("POST", path_of("names", name, "follow"))
        return NameRecord(await self._connection.document(call, *FIELDS["names"]))
