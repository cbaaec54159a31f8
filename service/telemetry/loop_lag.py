"""How late an event loop is: what every request waits for when something holds it."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

from prometheus_client import CollectorRegistry, Histogram

_EVERY_SECONDS = 0.25
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LoopLag:
    """Measures four times a second."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "forecast_event_loop_lag_seconds",
            "How much later than it wanted the event loop woke up.",
            buckets=_SECONDS,
            registry=registry,
        )

    async def watch(self) -> NoReturn:
        """Measure the loop that runs this, until it is cancelled."""
        while True:
            wanted = time.monotonic() + _EVERY_SECONDS
            await asyncio.sleep(_EVERY_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - wanted))
