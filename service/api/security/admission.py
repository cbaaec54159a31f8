"""Limits on concurrent requests, work and bodies: a request beyond them is refused and may be retried later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from anyio import CapacityLimiter, to_thread
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.security.permissions import PROBES, is_open
from service.errors import Overloaded

Result = TypeVar("Result")

_TARGET_SECONDS = 0.1
_CALM_SECONDS = 1.0
_RETRY_SECONDS = 1
# How long a request may wait in a burst, and how many may wait per core however long their work takes.
_BURST_SECONDS = 0.25
_BURST_OF_CORE = 4
# Weight of the newest duration in the mean.
_SHARE_OF_NEWEST = 0.1
_MOST_GROWTH = 3.0


class Load(Collector):
    """Counts requests, work and bytes of bodies. All of it happens on one event loop, so no lock is needed.

    Work is started in order of arrival. The wait of a request is estimated from recent durations, and a request whose
    wait would be longer than a quarter of a second is refused. From then on the queue is kept to a target below that,
    so that what is accepted is answered soon, until no request has been refused for a second. The idea is from Nichols
    & Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012, and Maurer, "Fail at Scale", ACM Queue 13(8), 2015;
    there, requests are dropped after they have waited, here they are refused before. What matters is how long requests
    wait, not how long the queue persists: a fixed number of clients, each waiting for its answer, cause one that never
    ends.

    max_requests: concurrent requests; cores: worker threads; max_waiting: the most requests that may wait for a thread
    in a burst; max_bodies_bytes: total size of all bodies.
    """

    def __init__(
        self,
        max_requests: int,
        cores: int,
        max_waiting: int,
        max_bodies_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_requests = max_requests
        self._cores = cores
        self._max_waiting = max_waiting
        self._max_bodies_bytes = max_bodies_bytes
        self._clock = clock
        # Created here and not in a thread that collects metrics: it belongs to the event loop that first uses it.
        self._threads = CapacityLimiter(cores)
        self._short_until = 0.0
        self._work_seconds = 0.0
        self.waiting = 0
        """The number of requests that wait for a thread."""
        self.requests = 0
        """The number of requests being handled."""
        self.bodies_bytes = 0
        """The total size of the bodies in memory."""
        self.refused = {"requests": 0, "work": 0, "bodies": 0}
        """Number of refused requests, by the limit that was exceeded."""
        self.accepted: Callable[[], int] = lambda: 0
        """Returns how many requests the server has read the head of and not answered; 0 unless the server sets it."""

    @property
    def working(self) -> int:
        """The number of busy threads."""
        return self._threads.borrowed_tokens

    @contextmanager
    def request(self) -> Iterator[BodyTally]:
        """Count a request until the block ends; yield the tally for its body. Raises Overloaded beyond the limit."""
        # Includes requests that the event loop has not started yet.
        if max(self.requests, self.accepted() - 1) >= self._max_requests:
            self._refuse("requests", f"this server already handles {self._max_requests} requests, its maximum")
        self.requests += 1
        tally = BodyTally(self)
        try:
            yield tally
        finally:
            self.requests -= 1
            tally.forget()

    def check_room(self) -> None:
        """Raise Overloaded if work could not even wait, for example before its body is read."""
        if not self._is_free() and self.waiting >= self._room():
            self._short_until = self._clock() + _CALM_SECONDS
            self._refuse("work", f"{self.waiting} requests wait for one of {self._cores} threads")

    async def work(self, function: Callable[[], Result]) -> Result:
        """Run CPU-bound work in a thread as soon as one is free. Raises Overloaded if too many wait."""
        self.check_room()
        turn = object()
        if self._is_free():
            self._threads.acquire_on_behalf_of_nowait(turn)
        else:
            self.waiting += 1
            try:
                await self._threads.acquire_on_behalf_of(turn)
            finally:
                self.waiting -= 1
        begun = self._clock()
        try:
            # The turn is taken already; anyio's default limiter is for calls that wait for the database.
            return await to_thread.run_sync(function, limiter=CapacityLimiter(1))
        finally:
            self._threads.release_on_behalf_of(turn)
            self._learn(self._clock() - begun)

    def _learn(self, seconds: float) -> None:
        """Add a duration to the mean. A much longer one counts for less: its thread may not have had a core."""
        known = self._work_seconds
        self._work_seconds += _SHARE_OF_NEWEST * (min(seconds, _MOST_GROWTH * known or seconds) - known)

    def _is_free(self) -> bool:
        return self._threads.available_tokens > 0 and not self.waiting

    def count_body(self, more: int) -> None:
        """Count bytes of a body. Raises Overloaded if there are too many, and then does not count them."""
        if self.bodies_bytes + more > self._max_bodies_bytes:
            self._refuse(
                "bodies", f"{self.bodies_bytes} bytes of request bodies are in memory, and {more} more were received"
            )
        self.bodies_bytes += more

    def _refuse(self, what: str, detail: str) -> NoReturn:
        self.refused[what] += 1
        raise Overloaded(f"{detail}: try again later", retry_after=_RETRY_SECONDS)

    def _room(self) -> int:
        """Return how many requests may wait."""
        if self._clock() < self._short_until:
            return self._done_within(_TARGET_SECONDS, at_least=self._cores)
        return self._done_within(_BURST_SECONDS, at_least=_BURST_OF_CORE * self._cores)

    def _done_within(self, seconds: float, at_least: int) -> int:
        done = self._cores * seconds / max(self._work_seconds, 1e-6)
        return int(min(self._max_waiting, max(at_least, done)))

    def collect(self) -> Iterator[Metric]:
        """Yield running and waiting work, the size of bodies in memory, and the number of refused requests."""
        yield GaugeMetricFamily("forecast_work_running", "Requests that a thread works on.", value=self.working)
        yield GaugeMetricFamily("forecast_work_waiting", "Requests that wait for a thread.", value=self.waiting)
        yield GaugeMetricFamily(
            "forecast_request_bodies_bytes", "Bytes of request bodies in memory.", value=self.bodies_bytes
        )
        meaning = "Requests answered 503 at once, by the limit that was exceeded."
        refused = CounterMetricFamily("forecast_requests_refused", meaning, labels=["what"])
        for what, number in self.refused.items():
            refused.add_metric([what], number)
        yield refused


class LoadLimit:
    """Middleware that counts each request and its body; probes are answered under any load."""

    def __init__(self, app: ASGIApp, load: Load) -> None:
        self._app = app
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Raises Overloaded."""
        if scope["path"] in PROBES and is_open(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        with self._load.request() as tally:
            scope["body_tally"] = tally
            await self._app(scope, receive, send)


class BodyTally:
    """The bytes of one request's body that are in memory."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._bytes = 0

    def count(self, more: int) -> None:
        """Count further bytes. Raises Overloaded."""
        self._load.count_body(more)
        self._bytes += more

    def forget(self) -> None:
        """Stop counting the body after it has been read."""
        self._load.count_body(-self._bytes)
        self._bytes = 0
