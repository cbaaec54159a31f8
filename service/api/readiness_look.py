"""Whether the service is ready, for probes: they need no key, and are answered however much there is to do."""

from __future__ import annotations

import asyncio

from anyio import CapacityLimiter, to_thread

from service.usecases.readiness import Readiness, check_readiness
from service.usecases.resources import Resources


class ReadinessLook:
    """One look at database and store for all who ask while it lasts. It belongs to one event loop.

    In a thread of its own: it neither waits for those of other requests, nor can who asks take these from them.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._looking: asyncio.Task[Readiness] | None = None

    async def now(self) -> Readiness:
        """Return what `check_readiness` finds. Raises Unavailable."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="readiness")
        # Others may wait for it too.
        return await asyncio.shield(self._looking)

    async def _look(self) -> Readiness:
        try:
            return await to_thread.run_sync(check_readiness, self._resources, limiter=CapacityLimiter(1))
        finally:
            self._looking = None
