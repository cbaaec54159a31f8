"""Find models from the event loop: a confirmed model at once, else by one lookup that concurrent requests share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from service.errors import ServiceError
from service.usecases.forecast import LoadedModel, fetch_model
from service.usecases.resources import Resources

RunInThread = Callable[[Callable[[], LoadedModel]], Awaitable[LoadedModel]]
"""Runs a function in a thread once one is free. Raises Overloaded if too many calls wait."""

_Key = tuple[str, str | None, str | None]


class ModelLookups:
    """Shares lookups between requests ("single flight"); belongs to one event loop.

    A request joins a lookup only before that lookup has begun, so its result is never older than the request. A
    confirmed model is served while one lookup confirms it again ("stale while revalidate", RFC 5861).
    """

    def __init__(self, resources: Resources, run: RunInThread) -> None:
        self._resources = resources
        self._run = run
        self._next: dict[_Key, asyncio.Task[LoadedModel]] = {}
        self._begun: dict[_Key, asyncio.Task[LoadedModel]] = {}

    async def find(self, tenant: str, model_id: str | None, name: str | None) -> LoadedModel:
        """Return a tenant's ready model by its ID or name. Raises what `fetch_model` raises, and Overloaded."""
        key = tenant, model_id, name
        if model_id is not None:
            cached, is_due = self._resources.forecasters.confirmed(tenant, model_id)
            if is_due:
                self._look_up(key).add_done_callback(_retrieve)
            if cached is not None:
                return LoadedModel(model_id, *cached)
        # Other requests may wait for it too.
        return await asyncio.shield(self._look_up(key))

    def _look_up(self, key: _Key) -> asyncio.Task[LoadedModel]:
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._begin(key), name="model lookup")
        return task

    async def _begin(self, key: _Key) -> LoadedModel:
        if earlier := self._begun.get(key):
            await asyncio.wait([earlier])
        self._begun[key] = self._next.pop(key)
        try:
            return await self._run(partial(fetch_model, self._resources, *key))
        finally:
            del self._begun[key]


def _retrieve(task: asyncio.Task[LoadedModel]) -> None:
    """Ignore the error of a background confirmation: it matters only once the model must be confirmed to be served."""
    with suppress(ServiceError, asyncio.CancelledError):
        task.result()
