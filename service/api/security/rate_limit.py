"""Rate limit of each key, on this server."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import TooManyRequests
from service.keys import Grant


class RateLimit:
    """Middleware that limits the request rate of each caller; open paths have no caller.

    Rates are limited by the generic cell rate algorithm (ITU-T I.371): one number per key; bursts of a second's
    requests. All requests are handled on one event loop, so no lock is needed.

    per_second: None for no limit.
    """

    def __init__(self, app: ASGIApp, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._interval = None if per_second is None else 1 / per_second
        self._clock = clock
        self._due: dict[bytes, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Raises TooManyRequests."""
        if (caller := scope.get("caller")) is not None:
            self.count(caller)
        await self._app(scope, receive, send)

    def count(self, caller: Grant) -> None:
        """Count a request. Raises TooManyRequests; a refused request is not counted."""
        if self._interval is None:
            return
        now = self._clock()
        due = max(self._due.get(caller.digest, now), now)
        early = due - now - max(0.0, 1 - self._interval)
        # Sums of intervals are not exact.
        if early > 1e-9:
            rate = f"{1 / self._interval:g}"
            raise TooManyRequests(
                f"this key may send {rate} requests a second (FORECAST_MAX_REQUESTS_PER_SECOND): send them more slowly",
                retry_after=math.ceil(early),
            )
        self._due[caller.digest] = due + self._interval
