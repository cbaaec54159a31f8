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
    async def promote(self, name: str, model: KnownModel | str, revision: int | None = None) -> NameRecord:
        """Pin a name to a model, or the model with this ID, whatever is trained later; return what it means now.

        revision: move it only if it still has this one, else raise Conflict.
        """
        body = {"model_id": model if isinstance(model, str) else model.id}
        return await self._moved(requests.move_call(name, "promote", revision, body))

    @operation
    async def rollback(self, name: str, revision: int | None = None) -> NameRecord:
        """Let a name mean what it meant before its last move; return what that is. Raises Conflict if nothing was.

        revision: move it only if it still has this one, else raise Conflict.
        """
        return await self._moved(requests.move_call(name, "rollback", revision))

    @operation
    async def follow(self, name: str, revision: int | None = None) -> NameRecord:
        """Let a name mean the newest ready model that has it, as it did before it was pinned.

        revision: move it only if it still has this one, else raise Conflict.
        """
        return await self._moved(requests.move_call(name, "follow", revision))

    async def _moved(self, call: Call) -> NameRecord:
        return NameRecord(await self._connection.document(call, *FIELDS["names"]))
