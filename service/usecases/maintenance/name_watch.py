"""Learn of moved names from the registry, for the time when it cannot be asked."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import NoReturn

from service.errors import Unavailable
from service.storage.registry.names import Names
from service.telemetry.logs import reason
from service.usecases.model_cache import ForecasterCache

logger = logging.getLogger(__name__)

# With the time of a query, less than the 5 seconds within which a move counts on every server.
_POLL_SECONDS = 2.0
# A move is visible some time after the moment that it is dated with, and lookups that began before it may still end.
_OVERLAP_SECONDS = 60.0


class NameWatch:
    """Keeps the names that a server remembers, see `ForecasterCache.remembered`, at what they mean.

    While the registry answers, every request asks it, so that this only matters once it does not: a name that was moved
    elsewhere since its last request must not mean the former model then.
    """

    def __init__(self, names: Names, forecasters: ForecasterCache) -> None:
        self._names = names
        self._forecasters = forecasters
        self._read_at = time.monotonic()

    async def run(self) -> NoReturn:
        """Read moves every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                # Not in the thread pool of the requests: neither must wait for the other.
                await asyncio.to_thread(self.read)
            except Unavailable:
                # Requests report it; the next reading goes back to the last that succeeded.
                continue
            except Exception as error:
                logger.warning("moved names cannot be read: %s", reason(error), exc_info=True)

    def read(self) -> None:
        """Read the moves since the last reading. Raises Unavailable."""
        now = time.monotonic()
        if self._forecasters.remembers_names:
            for tenant, name, model_id in self._names.moved_within(now - self._read_at + _OVERLAP_SECONDS):
                self._forecasters.rename(tenant, name, model_id)
        self._read_at = now
